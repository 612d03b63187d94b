/**
 * What the kernel says of the server's process: processor time, resident memory, open descriptors.
 *
 * Processor time is user and system time of all threads, from /proc/<pid>/stat, so it comes in ticks of 10 ms: windows
 * should last for seconds. With children, those that live at the first look are counted too, all generations of them.
 */
#ifndef MINIPROTO_LOAD_SERVER_PROCESS_H
#define MINIPROTO_LOAD_SERVER_PROCESS_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace miniproto::load {

class ServerProcess {
 public:
  /** @param pid 0: there is none to look at, and everything is 0. @throws Failure when there is no such process. */
  ServerProcess(int pid, bool withChildren);

  /** User and system time. */
  double cpuSeconds() const;
  /** Which of the two is less certain: the kernel looks at each tick what is running. */
  double userSeconds() const;
  uint64_t residentBytes() const;
  size_t descriptors() const;

 private:
  std::vector<int> pids_;
};

}  // namespace miniproto::load

#endif
