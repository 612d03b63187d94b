/**
 * The separator framer's loop and its steps; separator.h has the states.
 *
 * A payload is certainly over the limit once maxLength + longest separator bytes are there without a separator: what
 * is then at index maxLength can be no separator's beginning. So no step ever searches further than that for the end
 * of one record, and a record of any size costs one pass however few rows a call may write. Only skipping searches
 * on. A separator that was found decides exactly. This is also why cutting a stream differently changes nothing.
 */
#include "framing/separator.h"

#include <algorithm>

#include "simd/scan.h"

namespace miniproto {

namespace {

int32_t overflowOf(const FrameCall& call) {
  const int32_t state = call.table[kOverflow];
  return state == kOverflowSkipping || state == kOverflowPieces ? state : kOverflowNone;
}

}  // namespace

/** One call under way. Positions are indices into the span's bytes. */
struct SeparatorFramer::Run {
  const FrameCall& call;
  size_t maxRows;
  bool final;
  /** Where the record (or the next piece of it) at the front starts; everything before is consumed. */
  size_t start;
  /** Places before it hold no separator; start <= position <= to. */
  size_t position;
  size_t rows;
  int32_t overflow;
  size_t skipped;
  FrameFault fault;
  uint64_t detail;
  /** What the line kernel has not seen of [from, start) lies before it: places that an earlier call has searched. */
  size_t seenFrom;
  /** The line kernel has seen all of [seenFrom, start), and seen no byte over 0x7f. */
  bool kernelAscii;

  const uint8_t* bytes() const { return call.bytes; }
  size_t to() const { return call.to; }
  size_t rest() const { return call.to - start; }

  void row(size_t length, size_t end, int32_t flags) {
    writeRow(call.table, rows++, start, length, end, flags);
    moveTo(end);
  }
  void moveTo(size_t end) {
    start = end;
    position = std::max(position, end);
    kernelAscii = false;
  }
  Step fail(FrameFault what, uint64_t value) {
    fault = what;
    detail = value;
    return Step::kStop;
  }
};

SeparatorFramer::SeparatorFramer(const SeparatorSettings& settings)
    : search_(settings.separators),
      keep_(settings.keep),
      newline_(settings.newline),
      maxLength_(settings.maxLength),
      overflow_(settings.overflow),
      tail_(settings.tail),
      longestEnd_(settings.newline == Newline::kStripCr ? 2 : search_.longest()) {
  if (settings.separators.size() != 1) return;
  const std::string& separator = settings.separators.front();
  hasKernel_ = separator.size() == 1 || (separator.size() == 2 && separator[0] != separator[1]);
  lineFirst_ = static_cast<uint8_t>(separator.front());
  lineLast_ = static_cast<uint8_t>(separator.back());
  if (newline_ == Newline::kStripCr) {
    lineEnd_ = LineEnd::kStripCr;
  } else if (newline_ == Newline::kStrictCrlf) {
    lineEnd_ = LineEnd::kStrictCrlf;
  } else {
    lineEnd_ = separator.size() == 1 ? LineEnd::kByte : LineEnd::kPair;
  }
}

size_t SeparatorFramer::frame(const FrameCall& call) const noexcept {
  const int32_t searched = std::max(call.table[kSearched], 0);
  const size_t position = call.from + std::min(static_cast<size_t>(searched), call.to - call.from);
  Run run{call,
          rowLimit(call),
          call.table[kFinal] != 0,
          call.from,
          position,
          0,
          overflowOf(call),
          0,
          FrameFault::kNone,
          0,
          position,
          true};
  for (;;) {
    if (run.rows == run.maxRows) break;
    if (hasKernel_ && run.overflow == kOverflowNone) {
      runKernel(run);
      if (run.rows == run.maxRows) break;
    }
    if (step(run) == Step::kStop) break;
  }
  FrameOutcome outcome;
  outcome.rows = run.rows;
  outcome.consumed = run.start - call.from;
  outcome.searched = run.position - run.start;
  if (run.fault != FrameFault::kNone) {
    outcome.status = kFrameError;
  } else if (run.rows == run.maxRows) {
    outcome.status = kFrameFull;
  }
  outcome.fault = run.fault;
  outcome.detail = run.detail;
  outcome.ascii = verdict(run);
  outcome.overflow = run.overflow;
  outcome.skipped = run.skipped;
  return writeOutcome(call.table, outcome);
}

/** The way for plain records. Post: `position` is where the search for the end of the record at `start` goes on. */
void SeparatorFramer::runKernel(Run& run) const noexcept {
  const size_t floor = run.position;
  LineScan scan{run.bytes(), run.to(),     run.call.table + kHeaderWords,
                run.maxRows, maxLength_,   lineEnd_,
                lineFirst_,  lineLast_,    keep_,
                run.start,   run.position, run.rows,
                true};
  kernels().scanLines(scan);
  run.kernelAscii = run.kernelAscii && scan.ascii;
  run.rows = scan.rowCount;
  const size_t searchedFrom = std::max(floor, scan.start);
  run.start = scan.start;
  // A two-byte separator may begin with the last byte that was looked at. A scan that stopped early searches again.
  const bool twoBytes = lineEnd_ == LineEnd::kPair || lineEnd_ == LineEnd::kStrictCrlf;
  const size_t searchedTo = scan.position == run.to() ? run.to() - (twoBytes && run.to() > 0 ? 1 : 0) : searchedFrom;
  run.position = std::max(searchedFrom, searchedTo);
}

/** Handles the record at the front by all the rules: one row, one skip, one fault, or the wait for more. */
SeparatorFramer::Step SeparatorFramer::step(Run& run) const noexcept {
  if (run.overflow == kOverflowSkipping) return skip(run);
  if (run.rest() == 0) return Step::kStop;
  const size_t limit = std::min(run.to(), run.start + maxLength_ + longestEnd_);
  SeparatorMatch match{};
  if (newline_ == Newline::kStrictCrlf) {
    if (!findStrict(run, match)) return Step::kStop;
  } else {
    match = search_.find({run.bytes(), run.position, limit, run.to(), run.final});
  }
  if (match.kind == SeparatorMatch::kFound) return takeRecord(run, match);
  if (run.rest() >= maxLength_ + longestEnd_) return takeOverlong(run, match.at);
  if (run.final) return run.rest() > maxLength_ ? takeOverlong(run, match.at) : takeTail(run);
  run.position = match.at;
  return Step::kStop;
}

/** Drops bytes up to and including the next separator. What may be the beginning of one stays in the span. */
SeparatorFramer::Step SeparatorFramer::skip(Run& run) const noexcept {
  const SeparatorMatch match = search_.find({run.bytes(), run.position, run.to(), run.to(), run.final});
  if (match.kind != SeparatorMatch::kFound) {
    run.moveTo(run.final ? run.to() : match.at);
    if (!run.final) return Step::kStop;
  } else {
    run.moveTo(match.at + match.length);
  }
  run.skipped++;
  run.overflow = kOverflowNone;
  return Step::kGoOn;
}

/** Ends the record at `match`, unless its payload is over the limit. */
SeparatorFramer::Step SeparatorFramer::takeRecord(Run& run, const SeparatorMatch& match) const noexcept {
  const size_t end = match.at + match.length;
  const bool hasCr = newline_ == Newline::kStripCr && match.at > run.start && run.bytes()[match.at - 1] == '\r';
  const size_t length = match.at - (hasCr ? 1 : 0) - run.start;
  if (length > maxLength_) return takeOverlong(run, match.at);
  const int32_t last = run.overflow == kOverflowPieces ? kFlagLastPiece : 0;
  run.overflow = kOverflowNone;
  run.row(keep_ ? end - run.start : length, end, static_cast<int32_t>(match.index << kSeparatorShift) | last);
  return Step::kGoOn;
}

/** Applies the policy to a payload that is certainly over the limit. Places before `searched` hold no separator. */
SeparatorFramer::Step SeparatorFramer::takeOverlong(Run& run, size_t searched) const noexcept {
  if (overflow_ == Overflow::kError) return run.fail(FrameFault::kRecordTooLarge, maxLength_ + 1);
  run.position = searched;
  if (overflow_ == Overflow::kSkip) {
    run.overflow = kOverflowSkipping;
  } else {
    run.overflow = kOverflowPieces;
    run.row(maxLength_, run.start + maxLength_, kFlagPiece);
  }
  return Step::kGoOn;
}

/** Decides about 1 to maxLength bytes behind the last separator of the stream. */
SeparatorFramer::Step SeparatorFramer::takeTail(Run& run) const noexcept {
  if (tail_ == Tail::kRefuse) return run.fail(FrameFault::kUnexpectedEof, run.rest());
  if (tail_ == Tail::kDrop) {
    run.moveTo(run.to());
  } else {
    run.row(run.rest(), run.to(), kFlagUnterminated | (run.overflow == kOverflowPieces ? kFlagLastPiece : 0));
  }
  run.overflow = kOverflowNone;
  return Step::kGoOn;
}

/**
 * The first CR or LF at an index up to maxLength decides: CR LF is the end, either alone a fault, a CR at the end of
 * the span a wait. Behind that index the record is too large, whatever it holds.
 * Post: `match` as SeparatorSearch::find gives it, or false and the fault is set.
 */
bool SeparatorFramer::findStrict(Run& run, SeparatorMatch& match) const noexcept {
  const size_t limit = std::max(run.position, std::min(run.to(), run.start + maxLength_ + 1));
  const size_t size = limit - run.position;
  const size_t found = indexOfAny(run.bytes() + run.position, size, '\r', '\n', '\n');
  const size_t at = run.position + found;
  match = {SeparatorMatch::kNone, at, 0, 0};
  if (found == size) return true;
  if (run.bytes()[at] == '\n') {
    run.fail(FrameFault::kBareLf, at - run.start);
    return false;
  }
  if (at + 1 == run.to() && !run.final) {
    match.kind = SeparatorMatch::kPartial;
  } else if (at + 1 == run.to() || run.bytes()[at + 1] != '\n') {
    run.fail(FrameFault::kBareCr, at - run.start);
    return false;
  } else {
    match = {SeparatorMatch::kFound, at, 2, 0};
  }
  return true;
}

/** Exact for [from, start). The kernel's own verdict covers more than that, so its "no" is looked at again. */
bool SeparatorFramer::verdict(const Run& run) noexcept {
  const size_t unseenTo = run.kernelAscii ? std::min(run.seenFrom, run.start) : run.start;
  return isAscii(run.bytes() + run.call.from, unseenTo - run.call.from);
}

}  // namespace miniproto
