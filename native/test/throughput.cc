/**
 * Question: how far are the kernels from libc's memchr and memcpy, and how fast are lines framed?
 *
 * Unit: GB/s, and the ratio to libc. Sizes 64 B to 64 KiB; rivals: memchr for searching, memcpy for masking. Runs are
 * interleaved (ours, theirs, ours, …) and the best of each is taken, since other work on the machine only ever slows.
 * Framing is measured on lines of 85 bytes, of 40 to 130 bytes at random, and of 10; answers are checked first.
 * WebSocket frames are changed by framing, so each run has a fresh copy; what the copy costs is taken off. UTF-8 is
 * measured on text of which each word has a character of so many bytes.
 * Usage: throughput [kernel]
 */
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "check.h"
#include "framing/length.h"
#include "framing/separator.h"
#include "framing/websocket.h"
#include "simd/mask.h"
#include "simd/scan.h"
#include "text/utf8_check.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

/** Results go through here, so that no loop is optimised away. */
volatile size_t sink = 0;

double nanosecondsOf(size_t repeats, const std::function<size_t()>& body) {
  const auto begin = std::chrono::steady_clock::now();
  for (size_t i = 0; i < repeats; i++) sink = body();
  const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - begin;
  return taken.count() / static_cast<double>(repeats);
}

/** Prints rates of `ours` and `theirs` over `size` bytes a run. */
void compare(const char* name, size_t size, const std::function<size_t()>& ours,
             const std::function<size_t()>& theirs) {
  const size_t repeats = std::max<size_t>(2000000 / (size + 64), 10);
  double best[2] = {1e18, 1e18};
  for (int round = 0; round < 60; round++) {
    best[0] = std::min(best[0], nanosecondsOf(repeats, ours));
    best[1] = std::min(best[1], nanosecondsOf(repeats, theirs));
  }
  const auto bytes = static_cast<double>(size);
  std::printf("%-16s %6zu B  %7.2f GB/s  libc %7.2f GB/s  ratio %.2f\n", name, size, bytes / best[0], bytes / best[1],
              best[1] / best[0]);
}

void compareKernels(size_t size) {
  std::vector<uint8_t> source(size + 64, 'x');
  std::vector<uint8_t> target(size + 64, 'y');
  std::vector<int32_t> positions(size / 64 + 16);
  const auto search = [&] {
    return static_cast<const uint8_t*>(std::memchr(source.data(), '\n', size)) != nullptr ? 1u : 0u;
  };
  const auto copy = [&] {
    std::memcpy(target.data(), source.data(), size);
    return size_t{target[size / 2]};
  };
  const auto* crlf = reinterpret_cast<const uint8_t*>("\r\n\r\n");
  compare(
      "indexOfByte", size, [&] { return indexOfByte(source.data(), size, '\n'); }, search);
  compare(
      "indexOfAny", size, [&] { return indexOfAny(source.data(), size, '\n', '\r', 0); }, search);
  compare(
      "indexOfSequence", size, [&] { return indexOfSequence(source.data(), size, crlf, 4); }, search);
  compare(
      "isAscii", size, [&] { return isAscii(source.data(), size) ? 1u : 0u; }, search);
  compare(
      "maskCopy", size, [&] { return size_t{maskCopy(source.data(), target.data(), size, 0x12345678, 1)}; }, copy);
  compare(
      "mask in place", size, [&] { return size_t{mask(target.data(), size, 0x12345678, 1)}; }, copy);
  for (size_t i = 84; i < size; i += 85) source[i] = '\n';
  compare(
      "indexAll 85", size,
      [&] { return indexAll(source.data(), size, '\n', 0, positions.data(), positions.size()).count; }, search);
}

std::string linesOf(size_t least, size_t most, const char* end) {
  Random random;
  std::string text;
  while (text.size() < 65536) text += std::string(least + random.below(most - least + 1), 'x') + end;
  return text;
}

void frameOver(const char* name, const Framer& framer, std::string text) {
  std::vector<int32_t> table(kHeaderWords + kRowWords * 40000, 0);
  auto* bytes = reinterpret_cast<uint8_t*>(text.data());
  const FrameCall call{bytes, 0, text.size(), table.data(), table.size(), 40000};
  double best = 1e18;
  for (int round = 0; round < 200; round++) {
    table[kSearched] = 0;
    best = std::min(best, nanosecondsOf(10, [&] { return framer.frame(call); }));
  }
  const auto rows = static_cast<double>(table[kRows]);
  std::printf("frame %-22s %7.2f GB/s  %6.1f M records/s\n", name, static_cast<double>(text.size()) / best,
              rows / best * 1e3);
}

void frameLines(const char* name, const std::string& separator, Newline newline, size_t least, size_t most) {
  SeparatorSettings settings;
  settings.separators = {separator};
  settings.newline = newline;
  settings.maxLength = 65536;
  frameOver(name, SeparatorFramer(settings),
            linesOf(least, most, newline == Newline::kPlain ? separator.c_str() : "\r\n"));
}

void frameLengths(const char* name, LengthEncoding encoding, size_t size) {
  LengthSettings settings;
  settings.encoding = encoding;
  settings.lengthBytes = 4;
  settings.terminator = ':';
  settings.maxLength = 65536;
  std::string header = std::string("\0\0\0", 3) + static_cast<char>(size);
  if (encoding == LengthEncoding::kVarint) header = std::string(1, static_cast<char>(size));
  if (encoding == LengthEncoding::kDecimal) header = std::to_string(size) + ":";
  std::string text;
  while (text.size() < 65536) text += header + std::string(size, 'x');
  frameOver(name, LengthFramer(settings), text);
}

/** A stream of frames, masked as from a client or not, of `least` to `most` bytes of payload. */
std::string framesOf(WebSocketRole role, size_t least, size_t most, const std::string& characters) {
  Random random;
  std::string stream;
  const size_t enough = std::max<size_t>(65536, 2 * most);
  while (stream.size() < enough) {
    const size_t size = least + random.below(most - least + 1);
    const std::string key = role == WebSocketRole::kServer ? "\x12\xa4\x56\x78" : "";
    stream += '\x81';
    const int maskBit = key.empty() ? 0 : 0x80;
    const size_t lengthBytes = size < 126 ? 0 : size < 65536 ? 2 : 8;
    stream += static_cast<char>(maskBit | static_cast<int>(lengthBytes == 0 ? size : lengthBytes == 2 ? 126 : 127));
    for (size_t i = lengthBytes; i-- > 0;) stream += static_cast<char>(uint64_t{size} >> (8 * i));
    stream += key;
    for (size_t i = 0; i < size; i++) {
      // Whole characters, and ASCII for the rest.
      const size_t inText = i % characters.size();
      const char byte = i - inText + characters.size() <= size ? characters[inText] : 'x';
      stream += static_cast<char>(byte ^ (key.empty() ? 0 : key[i & 3]));
    }
  }
  return stream;
}

void frameWebSocket(const char* name, WebSocketRole role, size_t least, size_t most,
                    const std::string& characters = "x") {
  WebSocketSettings settings;
  settings.role = role;
  settings.maxLength = size_t{1} << 30;
  const WebSocketFramer framer(settings);
  const std::string stream = framesOf(role, least, most, characters);
  std::vector<uint8_t> bytes(stream.begin(), stream.end());
  std::vector<int32_t> table(kHeaderWords + kRowWords * 40000, 0);
  const FrameCall call{bytes.data(), 0, bytes.size(), table.data(), table.size(), 40000};
  const auto copy = [&] {
    std::memcpy(bytes.data(), stream.data(), stream.size());
    return size_t{bytes[100]};
  };
  const auto frame = [&] {
    table[kSearched] = 0;
    table[kOverflow] = 0;
    return framer.frame(call) + copy();
  };
  double best[2] = {1e18, 1e18};
  for (int round = 0; round < 200; round++) {
    best[0] = std::min(best[0], nanosecondsOf(10, frame));
    best[1] = std::min(best[1], nanosecondsOf(10, copy));
  }
  const double taken = best[0] - best[1];
  const auto rows = static_cast<double>(table[kRows]);
  std::printf("websocket %-26s %7.2f GB/s  %7.1f ns a frame  %6.0f frames, copy %6.2f GB/s\n", name,
              static_cast<double>(stream.size()) / taken, taken / rows, rows,
              static_cast<double>(stream.size()) / best[1]);
}

void checkText(const char* name, const std::string& character, size_t ascii) {
  std::string text;
  while (text.size() < 65536) text += std::string(ascii, 'x') + character;
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  double best = 1e18;
  for (int round = 0; round < 100; round++) {
    best = std::min(best, nanosecondsOf(10, [&] { return size_t{checkUtf8(bytes, text.size(), 0).valid}; }));
  }
  std::printf("checkUtf8 %-26s %7.2f GB/s\n", name, static_cast<double>(text.size()) / best);
}

void webSockets() {
  frameWebSocket("16 bytes", WebSocketRole::kServer, 16, 16);
  frameWebSocket("64 bytes", WebSocketRole::kServer, 64, 64);
  frameWebSocket("0 to 125 bytes", WebSocketRole::kServer, 0, 125);
  frameWebSocket("1 KiB", WebSocketRole::kServer, 1024, 1024);
  frameWebSocket("16 KiB", WebSocketRole::kServer, 16384, 16384);
  frameWebSocket("1 MiB", WebSocketRole::kServer, 1048576, 1048576);
  frameWebSocket("64 bytes, 2-byte", WebSocketRole::kServer, 64, 64, "xxxx\u00e9");
  frameWebSocket("64 bytes, 3-byte", WebSocketRole::kServer, 64, 64, "\u4e2d");
  frameWebSocket("16 KiB, 3-byte", WebSocketRole::kServer, 16384, 16384, "\u4e2d");
  frameWebSocket("client, 16 bytes", WebSocketRole::kClient, 16, 16);
  frameWebSocket("client, 64 bytes", WebSocketRole::kClient, 64, 64);
  frameWebSocket("client, 16 KiB", WebSocketRole::kClient, 16384, 16384);
  checkText("ASCII", "x", 0);
  checkText("2-byte, one in 8", "\u00e9", 6);
  checkText("2-byte", "\u00e9", 0);
  checkText("3-byte", "\u4e2d", 0);
  checkText("4-byte", "\U0001f600", 0);
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 1 && !selectKernel(arguments[1])) return 1;
  std::printf("kernel %s\n", kernels().name);
  for (const size_t size : {64, 256, 1024, 4096, 16384, 65536}) compareKernels(size);
  frameLines("LF, 85 bytes", "\n", Newline::kPlain, 84, 84);
  frameLines("LF, 40 to 130 bytes", "\n", Newline::kPlain, 39, 129);
  frameLines("LF, 10 bytes", "\n", Newline::kPlain, 9, 9);
  frameLines("strip-cr, 40 to 130", "\n", Newline::kStripCr, 39, 129);
  frameLines("CRLF plain, 40 to 130", "\r\n", Newline::kPlain, 39, 129);
  frameLines("CRLF strict, 40 to 130", "\r\n", Newline::kStrictCrlf, 39, 129);
  frameLines("4-byte, 40 to 130", "\r\n\r\n", Newline::kPlain, 39, 129);
  frameLengths("u32, 64 bytes", LengthEncoding::kBig, 64);
  frameLengths("varint, 64 bytes", LengthEncoding::kVarint, 64);
  frameLengths("decimal, 64 bytes", LengthEncoding::kDecimal, 64);
  webSockets();
  return 0;
}
