/**
 * The fields of an options object, checked as they are read. For constructors only: it favours clear errors over speed.
 *
 * Every function throws Napi::Error with ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE or ERR_OUT_OF_RANGE. A getter of
 * the object may run JavaScript, and what that throws passes through; nothing native is half made at that point.
 */
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "arguments.h"

namespace miniproto::binding {

class Options {
 public:
  /** `name` is what the object is called in messages. */
  Options(const Napi::Value& value, const char* name);

  int64_t integer(const char* field, Bounds bounds) const;
  bool flag(const char* field) const;
  /** @returns the index of the field's string among `choices`. */
  size_t choice(const char* field, std::initializer_list<const char*> choices) const;
  /** A non-empty array of non-empty Uint8Arrays, copied. */
  std::vector<std::string> byteStrings(const char* field, size_t maxCount, size_t maxLength) const;

  // Fields that may be undefined, and arrays that may be empty; all copied.
  bool has(const char* field) const;
  /** A string in UTF-8, without null characters: what is behind one would be lost on C. */
  std::optional<std::string> text(const char* field) const;
  std::vector<std::string> texts(const char* field) const;
  std::optional<std::string> bytes(const char* field, size_t maxLength) const;
  /** An array of objects. */
  std::vector<Options> list(const char* field) const;

 private:
  Napi::Array arrayOf(const char* field, const char* what) const;
  std::string pathOf(const char* field) const { return name_ + "." + field; }

  Napi::Object object_;
  std::string name_;
};

/** Throws ERR_INVALID_ARG_VALUE. */
[[noreturn]] void throwValue(Napi::Env env, const std::string& name, const std::string& expected);

}  // namespace miniproto::binding
