/** One JSON object on one line; it begins with what was asked for. */
#ifndef MINIPROTO_LOAD_JSON_H
#define MINIPROTO_LOAD_JSON_H

#include <cstdint>
#include <cstdio>
#include <string>

#include "options.h"

namespace miniproto::load {

class Json {
 public:
  explicit Json(const Options& options) {
    addRaw("protocol", std::string("\"") + nameOf(options.protocol) + "\"");
    if (options.tls != TlsVersion::kNone) addRaw("tls", options.tls == TlsVersion::k12 ? R"("1.2")" : R"("1.3")");
    if (options.deflate != Deflate::kNone) {
      addRaw("deflate", options.deflate == Deflate::kAlone ? R"("alone")" : R"("takeover")");
    }
    if (options.fragmentBytes > 0) add("fragmentBytes", uint64_t{options.fragmentBytes});
    add("connections", uint64_t{options.connections});
    add("inFlight", uint64_t{options.inFlight});
    add("bytes", uint64_t{options.bytes});
  }

  void add(const char* name, uint64_t value) { addRaw(name, std::to_string(value)); }

  void add(const char* name, double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.3f", value);
    addRaw(name, text);
  }

  /** @param value is JSON itself */
  void addRaw(const char* name, const std::string& value) {
    text_ += (text_.empty() ? "{\"" : ",\"") + std::string(name) + "\":" + value;
  }

  std::string text() const { return text_ + "}"; }

 private:
  std::string text_;
};

}  // namespace miniproto::load

#endif
