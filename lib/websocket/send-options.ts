/** What may be said of a message that is sent. */
import { checkBoolean, checkObject, checkOneOf } from '../arguments.js';

export interface SendOptions {
  /** What the peer gets it as. Default: text for strings, binary for bytes, what it was for a message. */
  type?: 'text' | 'binary';
  /** Whether to deflate, where that was agreed on. Default: from the threshold up. */
  compress?: boolean;
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE: what is no type would be sent as the other one without a word. */
export function checkSendOptions(options: SendOptions): void {
  checkObject('options', options);
  const { type, compress } = options;
  if (type !== undefined && type !== 'text' && type !== 'binary') checkOneOf('options.type', type, ['text', 'binary']);
  if (compress !== undefined) checkBoolean('options.compress', compress);
}
