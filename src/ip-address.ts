// Telling IP addresses from names.
import { isIPv4, isIPv6 } from 'node:net';

/**
 * Gives the version of an IP address, 0 for what is none: what node's own isIP gives, which takes 4 ms the first time to
 * make an expression of a thousand characters for IPv6. The parser of URLs knows these addresses too, but for zones.
 */
export function isIP(text: string): 0 | 4 | 6 {
  if (text.includes('%')) return isIPv6(text) ? 6 : 0;
  if (text.includes(':')) return /^[\da-f:.]+$/i.test(text) && URL.canParse(`http://[${text}]`) ? 6 : 0;
  return /^[\d.]+$/.test(text) && isIPv4(text) ? 4 : 0;
}
