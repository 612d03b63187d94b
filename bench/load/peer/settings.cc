/** A table of words, and what each sets. See settings.h. */
#include "settings.h"

#include <cstdlib>
#include <map>
#include <stdexcept>

namespace miniproto::load {

Settings parseSettings(int count, char** words) {
  Settings settings;
  std::string port = "0";
  const std::map<std::string, std::string*> valued = {
      {"--port", &port},
      {"--protocol", &settings.protocol},
      {"--cert", &settings.cert},
      {"--key", &settings.key},
  };
  for (int i = 1; i < count; i++) {
    const std::string word = words[i];
    if (word == "--tls") {
      settings.tls = true;
    } else if (const auto found = valued.find(word); found != valued.end() && i + 1 < count) {
      *found->second = words[++i];
    } else {
      throw std::runtime_error("'" + word + "' is not known, or lacks its value");
    }
  }
  char* end = nullptr;
  const long number = std::strtol(port.c_str(), &end, 10);
  if (port.empty() || *end != '\0' || number < 0 || number > 65535) {
    throw std::runtime_error("'" + port + "' is no port");
  }
  settings.port = static_cast<int>(number);
  if (settings.tls && (settings.cert.empty() || settings.key.empty())) {
    throw std::runtime_error("--tls needs --cert FILE and --key FILE");
  }
  return settings;
}

}  // namespace miniproto::load
