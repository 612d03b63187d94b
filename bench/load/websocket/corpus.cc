/** Reading a corpus. See corpus.h. */
#include "corpus.h"

#include <fstream>
#include <sstream>

namespace miniproto::load {

namespace {

std::string blobOf(std::istream& file) {
  uint8_t length[4];
  if (!file.read(reinterpret_cast<char*>(length), sizeof length)) throw Failure("the corpus ends within a document");
  std::string blob(size_t{length[0]} << 24 | size_t{length[1]} << 16 | size_t{length[2]} << 8 | length[3], '\0');
  if (!file.read(blob.data(), static_cast<std::streamsize>(blob.size()))) {
    throw Failure("the corpus ends within a document");
  }
  return blob;
}

}  // namespace

Corpus::Corpus(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Failure("there is no corpus at " + path);
  while (file.peek() != std::ifstream::traits_type::eof()) {
    Document document;
    document.plain = blobOf(file);
    document.alone = blobOf(file);
    document.chained = blobOf(file);
    documents_.push_back(std::move(document));
  }
  if (documents_.empty()) throw Failure("the corpus is empty");
  known_.resize(documents_.size());
}

}  // namespace miniproto::load
