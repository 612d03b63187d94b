/** Finding where records end. See responder.h. */
#include "responder.h"

#include <cstring>

namespace miniproto::load {

size_t Lines::answer(char* data, size_t size, size_t& answers) {
  size_t done = 0;
  for (size_t from = searched_; from < size; from = done) {
    const void* const end = std::memchr(data + from, '\n', size - from);
    if (end == nullptr) break;
    done = static_cast<size_t>(static_cast<const char*>(end) - data) + 1;
  }
  searched_ = size - done;
  return answers = done;
}

size_t Len32::answer(char* data, size_t size, size_t& answers) {
  const auto byteAt = [data](size_t at) { return size_t{static_cast<uint8_t>(data[at])}; };
  size_t done = 0;
  while (size - done >= 4) {
    const size_t length = byteAt(done) << 24 | byteAt(done + 1) << 16 | byteAt(done + 2) << 8 | byteAt(done + 3);
    if (size - done - 4 < length) break;
    done += 4 + length;
  }
  return answers = done;
}

}  // namespace miniproto::load
