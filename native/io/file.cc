/** One system call, where the system has it. */
#include "io/file.h"

#if defined(__linux__)
#include <sys/uio.h>

#include <cerrno>
#endif

namespace miniproto {

int64_t tryReadFile(int descriptor, uint8_t* bytes, size_t size, int64_t position) noexcept {
#if defined(__linux__) && defined(RWF_NOWAIT)
  const iovec part = {bytes, size};
  const ssize_t count = preadv2(descriptor, &part, 1, position, RWF_NOWAIT);
  if (count >= 0) return count;
  return static_cast<int64_t>(errno == EAGAIN ? FileRead::kWouldBlock : FileRead::kCannotTry);
#else
  (void)descriptor;
  (void)bytes;
  (void)size;
  (void)position;
  return static_cast<int64_t>(FileRead::kCannotTry);
#endif
}

}  // namespace miniproto
