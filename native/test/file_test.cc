/**
 * Reading without waiting: whatever the system answers, the bytes are the file's, and nothing else is written.
 */
#include "io/file.h"

#include <cstdio>

#include "check.h"

using namespace miniproto;
using namespace miniproto::test;

namespace {

/** A file that was just written lies in the cache, where the system can be asked at all. */
void readsWhatIsCached() {
  std::FILE* file = std::tmpfile();
  CHECK(file != nullptr);
  for (int i = 0; i < 10000; i++) std::fputc(i % 251, file);
  std::fflush(file);
  for (const int64_t position : {0, 1, 4095, 4096, 9999, 10000, 20000}) {
    say("position " + std::to_string(position));
    ExactBuffer bytes(5000);
    const int64_t count = tryReadFile(fileno(file), bytes.data(), 5000, position);
    if (count < 0) continue;
    CHECK(count <= 5000 && position + count <= (position > 10000 ? position : 10000));
    for (int64_t i = 0; i < count; i++) CHECK(bytes[static_cast<size_t>(i)] == (position + i) % 251);
  }
  std::fclose(file);
}

void refusesWhatItCannotRead() {
  uint8_t byte = 0;
  CHECK(tryReadFile(-1, &byte, 1, 0) == static_cast<int64_t>(FileRead::kCannotTry));
  CHECK(byte == 0);
}

}  // namespace

int main() {
  readsWhatIsCached();
  refusesWhatItCannotRead();
  return 0;
}
