/**
 * Finds the first of a set of separators: the longest at one place, the first among places.
 *
 * The end of the span matters: what lies there may be the beginning of a separator whose rest has not arrived. Such a
 * partial match stops the search, since it may turn out to be the earlier (or at its place the longer) one; with
 * `final` there is no rest, and partial matches count for nothing.
 *
 * How candidates are found depends on the set: one byte, one sequence, up to three first bytes, or a table of 256.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace miniproto {

struct SeparatorMatch {
  enum Kind { kNone, kPartial, kFound };
  Kind kind;
  /** Where it starts; for kNone, where the search ended. */
  size_t at;
  /** kFound: its length, and its index in the order the separators were given. */
  size_t length;
  size_t index;
};

/** A stretch to search. Places are looked at in [position, limit), bytes compared up to `to`; limit <= to. */
struct SearchRange {
  const uint8_t* bytes;
  size_t position;
  size_t limit;
  size_t to;
  /** No byte will follow `to`. */
  bool final;
};

class SeparatorSearch {
 public:
  /** Pre: 1 to 16 separators of 1 to 256 bytes. */
  explicit SeparatorSearch(const std::vector<std::string>& separators);

  SeparatorMatch find(const SearchRange& range) const noexcept;

  /** Length of the longest separator. */
  size_t longest() const { return ordered_.front().bytes.size(); }

 private:
  enum class Method { kByte, kSequence, kFewFirstBytes, kManyFirstBytes };
  struct Separator {
    std::string bytes;
    size_t index;
  };

  SeparatorMatch findSequence(const SearchRange& range) const noexcept;
  SeparatorMatch findSeveral(const SearchRange& range) const noexcept;
  SeparatorMatch testAt(const SearchRange& range, size_t at) const noexcept;
  size_t nextCandidate(const SearchRange& range, size_t position) const noexcept;

  /** Longest first; equally long ones in the order given. */
  std::vector<Separator> ordered_;
  Method method_ = Method::kByte;
  uint8_t firstBytes_[3] = {0, 0, 0};
  uint8_t isFirstByte_[256] = {};
};

}  // namespace miniproto
