/**
 * What happens to connections, for whoever subscribes with node:diagnostics_channel. Without subscribers it costs a
 * look at a property.
 *
 *     miniproto:open     { stream }                a native socket was adopted
 *     miniproto:close    { stream, error }         its descriptor was closed; error is undefined for an ordinary end
 *     miniproto:switch   { stream, from, to }      another protocol has taken over; the names of the codecs
 *     miniproto:limit    { stream?, error }        a peer went over a limit; error is the LimitError
 *     miniproto:stall    { stream }                the system took less than it was given
 */
import { channel } from 'node:diagnostics_channel';

export const channels = {
  open: channel('miniproto:open'),
  close: channel('miniproto:close'),
  switch: channel('miniproto:switch'),
  limit: channel('miniproto:limit'),
  stall: channel('miniproto:stall'),
} as const;
