/**
 * Reading a file without waiting for it: what lies in the page cache now, or the word that it does not.
 *
 * Linux can answer a read from its cache or refuse (preadv2(2) with RWF_NOWAIT), so a file that is cached is read where
 * its bytes are used, without a thread that copies them on another processor. Elsewhere the answer is "cannot try".
 */
#pragma once

#include <cstddef>
#include <cstdint>

namespace miniproto {

/** Answers of tryReadFile that are no count. */
enum class FileRead : int { kWouldBlock = -1, kCannotTry = -2 };

/**
 * Reads up to `size` bytes that need no waiting.
 * @param position where in the file, or -1 for the descriptor's own position
 * @returns the count, 0 at the file's end; a FileRead, and then nothing was read. An error is kCannotTry as well: the
 * read that waits will meet it and can say what it is.
 */
int64_t tryReadFile(int descriptor, uint8_t* bytes, size_t size, int64_t position) noexcept;

}  // namespace miniproto
