/**
 * What happens to connections, for whoever subscribes with node:diagnostics_channel. Without subscribers it costs a
 * look at a property.
 *
 *     miniproto:open     { stream }             a connection begins; stream.native tells over which sockets
 *     miniproto:close    { stream, error }      it was closed, or released; error is undefined for an ordinary end
 *     miniproto:switch   { stream, from, to }   switchTo was called; the names of the codecs
 *     miniproto:limit    { stream, error }      a peer went over a limit; stream is undefined in a Transform
 *     miniproto:stall    { stream }             the system took less than a native socket gave it
 *
 * A stream is the byte stream, not the framed one.
 */
import { channel } from 'node:diagnostics_channel';

export const channels = {
  open: channel('miniproto:open'),
  close: channel('miniproto:close'),
  switch: channel('miniproto:switch'),
  limit: channel('miniproto:limit'),
  stall: channel('miniproto:stall'),
} as const;
