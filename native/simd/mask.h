/**
 * XOR with a four-byte key that repeats, as WebSocket payloads are masked (RFC 6455 §5.3), kept going across pieces.
 *
 * The key is its four bytes in wire order read as a little-endian number. `phase` (0 to 3) is the key byte that the
 * first byte meets; the answer is the phase for the byte that follows.
 */
#pragma once

#include <cstddef>
#include <cstdint>

namespace miniproto {

/** Masks `size` bytes in place. Pre: phase < 4. @returns the phase behind them. */
unsigned mask(uint8_t* bytes, size_t size, uint32_t key, unsigned phase);

/** Masks `source` into `target`. Pre: phase < 4; both have `size` bytes and do not overlap. @returns the phase behind
 * them. */
unsigned maskCopy(const uint8_t* source, uint8_t* target, size_t size, uint32_t key, unsigned phase);

/**
 * Masks `source` into `target`, which may overlap it where it begins earlier, or is the same. Pre: phase < 4.
 * @returns whether no byte written is over 0x7f.
 */
bool maskMove(const uint8_t* source, uint8_t* target, size_t size, uint32_t key, unsigned phase);

}  // namespace miniproto
