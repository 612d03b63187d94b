/** Reading /proc. See server_process.h. */
#include "server_process.h"

#include <dirent.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "options.h"

namespace miniproto::load {

namespace {

std::string textOf(int pid, const char* name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/" + name);
  if (!file) throw Failure("the server's process " + std::to_string(pid) + " is not there");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/** Names in a folder, without those that begin with a dot. */
std::vector<std::string> namesIn(const std::string& path) {
  std::vector<std::string> names;
  DIR* const folder = opendir(path.c_str());
  if (folder == nullptr) return names;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(folder);
  return names;
}

struct Times {
  double user = 0;
  double system = 0;
};

Times timesOf(int pid) {
  const std::string text = textOf(pid, "stat");
  // The program's name stands in parentheses and may hold anything; utime and stime are the 12th and 13th after it.
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; i++) fields >> skipped;
  Times times;
  fields >> times.user >> times.system;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  return {times.user / ticks, times.system / ticks};
}

uint64_t residentBytesOf(int pid) {
  const std::string text = textOf(pid, "status");
  const size_t at = text.find("VmRSS:");
  return at == std::string::npos ? 0 : std::stoull(text.substr(at + 6)) * 1024;
}

}  // namespace

ServerProcess::ServerProcess(int pid, bool withChildren) {
  if (pid == 0) return;
  timesOf(pid);
  pids_.push_back(pid);
  for (size_t i = 0; withChildren && i < pids_.size(); i++) {
    for (const std::string& task : namesIn("/proc/" + std::to_string(pids_[i]) + "/task")) {
      std::ifstream children("/proc/" + std::to_string(pids_[i]) + "/task/" + task + "/children");
      for (int child = 0; children >> child;) pids_.push_back(child);
    }
  }
}

double ServerProcess::cpuSeconds() const {
  double sum = 0;
  for (const int pid : pids_) {
    const Times times = timesOf(pid);
    sum += times.user + times.system;
  }
  return sum;
}

double ServerProcess::userSeconds() const {
  double sum = 0;
  for (const int pid : pids_) sum += timesOf(pid).user;
  return sum;
}

uint64_t ServerProcess::residentBytes() const {
  uint64_t sum = 0;
  for (const int pid : pids_) sum += residentBytesOf(pid);
  return sum;
}

size_t ServerProcess::descriptors() const {
  size_t sum = 0;
  for (const int pid : pids_) sum += namesIn("/proc/" + std::to_string(pid) + "/fd").size();
  return sum;
}

}  // namespace miniproto::load
