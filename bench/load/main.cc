/**
 * The load generator of the socket benches: miniproto_load; see options.h for its words and modes.h for what it
 * answers.
 *
 * One thread, epoll, Linux. It prints one JSON object on one line and exits with 0. When an echo is wrong, late beyond
 * patience or missing, or a connection is lost, it says which on the standard error and exits with 1: a figure of a
 * server that loses messages is none. Built with -DMINIPROTO_BENCHES=ON.
 */
#include <cstdio>
#include <exception>

#include "modes.h"

using namespace miniproto::load;

namespace {

std::string run(const Options& options) {
  switch (options.mode) {
    case Mode::kIdle:
      return runIdle(options);
    case Mode::kChurn:
      return runChurn(options);
    case Mode::kFlood:
      return runFlood(options);
    case Mode::kPublish:
      return runPublish(options);
    default:
      return runEcho(options);
  }
}

}  // namespace

int main(int count, char** words) {
  try {
    std::printf("%s\n", run(parseOptions(count, words)).c_str());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "miniproto_load: %s\n", error.what());
    return 1;
  }
}
