/** What a configuration reload changes in a block of its own, such as cluster; planned by the file of the block. */
export interface BlockChange<Options> {
  /** The options to use from now on; undefined without the block. */
  readonly options: Options | undefined;
  /** The names of the options that change. */
  readonly changed: readonly string[];
  /** The names of the options that differ in the file but keep their value until a restart. */
  readonly kept: readonly string[];
}
