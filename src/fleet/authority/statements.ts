// Signs the trust statements of an authority, whatever transport carries them.
import { given } from '../../given.ts';
import type { Authority } from '../../pki/store/authority.ts';
import { readCertificates } from '../../x509/certificate.ts';
import type { Signer } from '../messages/jws.ts';
import { signTrustStatement } from '../messages/trust-statement.ts';
import type { FleetAuthority } from './authority.ts';

/** How long the roots are remembered, in milliseconds: reading them takes the lock of the folder. */
const stateAgeMs = 1000;

export class Statements {
  readonly #authority: FleetAuthority;
  readonly #now: () => Date;
  #state: { readonly at: number; readonly state: ReturnType<FleetAuthority['trustState']> } | undefined;

  constructor(authority: FleetAuthority, now: () => Date = () => new Date()) {
    this.#authority = authority;
    this.#now = now;
  }

  /**
   * Signs what members should trust now.
   * @param renewAt when to renew the certificate that comes with the statement
   */
  async sign(renewAt?: Date): Promise<string> {
    const { roots, counter, crlNumber } = await this.#trustState();
    return signTrustStatement(
      {
        roots: readCertificates(Buffer.from(roots), 'the trust bundle'),
        counter,
        crlNumber,
        time: this.#now(),
        ...given({ renewAt }),
      },
      signerOf(this.#authority.signing),
    );
  }

  async #trustState(): ReturnType<FleetAuthority['trustState']> {
    const at = performance.now();
    if (this.#state !== undefined && at - this.#state.at < stateAgeMs) {
      const state = await this.#state.state;
      // A new root signs by now: its statement has to name it.
      if (state.authority === this.#authority.pin) return state;
    }
    const state = this.#authority.trustState();
    this.#state = { at, state };
    state.catch(() => {
      this.#state = undefined;
    });
    return state;
  }
}

/** Returns the issuing key, and its certificate followed by those up to the roots, cross-signed ones included. */
function signerOf({ current: { certificate, key }, chain }: Authority): Signer {
  return { key, chain: [certificate, ...chain.filter((each) => each !== certificate)] };
}
