/**
 * Separator search over the scanning kernels; separator_search.h has the rules.
 */
#include "framing/separator_search.h"

#include <algorithm>
#include <cstring>

#include "simd/scan.h"

namespace miniproto {
namespace {

// SAFETY: uint8_t and char are both character types; the string's length goes with the pointer everywhere.
const uint8_t* bytesOf(const std::string& text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

}  // namespace

SeparatorSearch::SeparatorSearch(const std::vector<std::string>& separators) {
  for (size_t i = 0; i < separators.size(); i++) ordered_.push_back({separators[i], i});
  std::stable_sort(ordered_.begin(), ordered_.end(),
                   [](const Separator& a, const Separator& b) { return a.bytes.size() > b.bytes.size(); });
  size_t distinct = 0;
  for (const Separator& separator : ordered_) {
    const uint8_t first = bytesOf(separator.bytes)[0];
    if (isFirstByte_[first] != 0) continue;
    isFirstByte_[first] = 1;
    if (distinct < 3) firstBytes_[distinct] = first;
    distinct++;
  }
  for (size_t i = distinct; i < 3; i++) firstBytes_[i] = firstBytes_[0];
  if (ordered_.size() == 1) {
    method_ = longest() == 1 ? Method::kByte : Method::kSequence;
  } else {
    method_ = distinct <= 3 ? Method::kFewFirstBytes : Method::kManyFirstBytes;
  }
}

SeparatorMatch SeparatorSearch::find(const SearchRange& range) const noexcept {
  if (range.position >= range.limit) return {SeparatorMatch::kNone, range.limit, 0, 0};
  switch (method_) {
    case Method::kByte: {
      const size_t size = range.limit - range.position;
      const size_t found = indexOfByte(range.bytes + range.position, size, firstBytes_[0]);
      return {found < size ? SeparatorMatch::kFound : SeparatorMatch::kNone, range.position + found, 1, 0};
    }
    case Method::kSequence:
      return findSequence(range);
    default:
      return findSeveral(range);
  }
}

SeparatorMatch SeparatorSearch::findSequence(const SearchRange& range) const noexcept {
  const std::string& sequence = ordered_.front().bytes;
  const size_t length = sequence.size();
  const size_t size = std::min(range.to, range.limit + length - 1) - range.position;
  const size_t found = indexOfSequence(range.bytes + range.position, size, bytesOf(sequence), length);
  if (found < size) return {SeparatorMatch::kFound, range.position + found, length, 0};
  const size_t firstShort = range.to - std::min(range.to, length - 1);
  for (size_t at = std::max(range.position, firstShort); !range.final && at < range.limit; at++) {
    if (std::memcmp(range.bytes + at, sequence.data(), range.to - at) == 0) return {SeparatorMatch::kPartial, at, 0, 0};
  }
  return {SeparatorMatch::kNone, range.limit, 0, 0};
}

SeparatorMatch SeparatorSearch::findSeveral(const SearchRange& range) const noexcept {
  size_t at = nextCandidate(range, range.position);
  while (at < range.limit) {
    const SeparatorMatch match = testAt(range, at);
    if (match.kind != SeparatorMatch::kNone) return match;
    at = nextCandidate(range, at + 1);
  }
  return {SeparatorMatch::kNone, range.limit, 0, 0};
}

/** Tests every separator at one place, longest first. Pre: at < range.to. */
SeparatorMatch SeparatorSearch::testAt(const SearchRange& range, size_t at) const noexcept {
  const size_t available = range.to - at;
  for (const Separator& separator : ordered_) {
    const size_t length = separator.bytes.size();
    const bool whole = length <= available;
    if (!whole && range.final) continue;
    if (std::memcmp(range.bytes + at, separator.bytes.data(), whole ? length : available) != 0) continue;
    if (!whole) return {SeparatorMatch::kPartial, at, 0, 0};
    return {SeparatorMatch::kFound, at, length, separator.index};
  }
  return {SeparatorMatch::kNone, at, 0, 0};
}

/** Pre: position <= range.limit. */
size_t SeparatorSearch::nextCandidate(const SearchRange& range, size_t position) const noexcept {
  const uint8_t* bytes = range.bytes + position;
  const size_t size = range.limit - position;
  if (method_ == Method::kManyFirstBytes) return position + indexOfMember(bytes, size, isFirstByte_);
  return position + indexOfAny(bytes, size, firstBytes_[0], firstBytes_[1], firstBytes_[2]);
}

}  // namespace miniproto
