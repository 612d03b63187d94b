/** SHA-1 (RFC 3174) and base64, for a few bytes. See accept_key.h. */
#include "accept_key.h"

#include <cstdint>

namespace miniproto::load {

namespace {

constexpr char kFixedText[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr size_t kBlockBytes = 64;

uint32_t rotated(uint32_t value, int bits) {
  return value << bits | value >> (32 - bits);
}

void addBlock(uint32_t* state, const std::string& text, size_t at) {
  uint32_t words[80];
  for (size_t i = 0; i < 16; i++) {
    words[i] = 0;
    for (size_t j = 0; j < 4; j++) words[i] = words[i] << 8 | static_cast<uint8_t>(text[at + 4 * i + j]);
  }
  for (size_t i = 16; i < 80; i++) words[i] = rotated(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  for (size_t i = 0; i < 80; i++) {
    const uint32_t mixed = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                           : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                           : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                                    : (b ^ c ^ d) + 0xca62c1d6;
    const uint32_t next = rotated(a, 5) + mixed + e + words[i];
    e = d;
    d = c;
    c = rotated(b, 30);
    b = a;
    a = next;
  }
  const uint32_t sums[] = {a, b, c, d, e};
  for (size_t i = 0; i < 5; i++) state[i] += sums[i];
}

std::string sha1(std::string text) {
  const uint64_t bits = uint64_t{text.size()} * 8;
  text += '\x80';
  while (text.size() % kBlockBytes != kBlockBytes - 8) text += '\0';
  for (int shift = 56; shift >= 0; shift -= 8) text += static_cast<char>(bits >> shift);
  uint32_t state[] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  for (size_t at = 0; at < text.size(); at += kBlockBytes) addBlock(state, text, at);
  std::string digest;
  for (const uint32_t word : state) {
    for (int shift = 24; shift >= 0; shift -= 8) digest += static_cast<char>(word >> shift);
  }
  return digest;
}

}  // namespace

std::string acceptKey(const std::string& key) {
  return base64(sha1(key + kFixedText));
}

std::string base64(const std::string& bytes) {
  constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t group = 0;
    for (size_t i = 0; i < 3; i++)
      group = group << 8 | (at + i < bytes.size() ? static_cast<uint8_t>(bytes[at + i]) : 0);
    for (size_t i = 0; i < 4; i++) text += at + i > bytes.size() ? '=' : kLetters[group >> (18 - 6 * i) & 63];
  }
  return text;
}

}  // namespace miniproto::load
