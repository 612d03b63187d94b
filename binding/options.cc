/**
 * Options objects; options.h says what is thrown. The raw checks of arguments.h leave an exception pending, which
 * passOn() turns into the C++ one that node-addon-api hands back to JavaScript.
 */
#include "options.h"

namespace miniproto::binding {
namespace {

[[noreturn]] void passOn(Napi::Env env) {
  throw Napi::Error::New(env);
}

std::string textOf(const Napi::Value& value, const std::string& path) {
  if (!value.IsString()) {
    throwType(value.Env(), path.c_str(), "of type string");
    passOn(value.Env());
  }
  std::string text = value.As<Napi::String>().Utf8Value();
  if (text.find('\0') != std::string::npos) throwValue(value.Env(), path, "without null characters");
  return text;
}

}  // namespace

[[noreturn]] void throwValue(Napi::Env env, const std::string& name, const std::string& expected) {
  Napi::TypeError error = Napi::TypeError::New(env, "The property '" + name + "' must be " + expected);
  error.Set("code", Napi::String::New(env, "ERR_INVALID_ARG_VALUE"));
  throw error;
}

Options::Options(const Napi::Value& value, const char* name) : name_(name) {
  if (!value.IsObject()) {
    throwType(value.Env(), name, "of type object");
    passOn(value.Env());
  }
  object_ = value.As<Napi::Object>();
}

int64_t Options::integer(const char* field, Bounds bounds) const {
  int64_t integer = 0;
  const Napi::Value value = object_.Get(field);
  if (!takeInteger(object_.Env(), value, pathOf(field).c_str(), bounds, integer)) passOn(object_.Env());
  return integer;
}

bool Options::flag(const char* field) const {
  const Napi::Value value = object_.Get(field);
  if (!value.IsBoolean()) {
    throwType(object_.Env(), pathOf(field).c_str(), "of type boolean");
    passOn(object_.Env());
  }
  return value.As<Napi::Boolean>().Value();
}

size_t Options::choice(const char* field, std::initializer_list<const char*> choices) const {
  const Napi::Value value = object_.Get(field);
  if (!value.IsString()) {
    throwType(object_.Env(), pathOf(field).c_str(), "of type string");
    passOn(object_.Env());
  }
  const std::string given = value.As<Napi::String>().Utf8Value();
  std::string all;
  size_t index = 0;
  for (const char* option : choices) {
    if (given == option) return index;
    all += std::string(index++ == 0 ? "'" : ", '") + option + "'";
  }
  throwValue(object_.Env(), pathOf(field), "one of " + all);
}

std::vector<std::string> Options::byteStrings(const char* field, size_t maxCount, size_t maxLength) const {
  const Napi::Env env = object_.Env();
  const Napi::Array list = arrayOf(field, "an array of Uint8Array");
  const uint32_t count = list.Length();
  if (count < 1 || count > maxCount) {
    throwRange(env, (pathOf(field) + ".length").c_str(),
               ("an integer >= 1 and <= " + std::to_string(maxCount)).c_str());
    passOn(env);
  }
  std::vector<std::string> strings;
  for (uint32_t i = 0; i < count; i++) {
    ByteArray bytes;
    const std::string path = pathOf(field) + "[" + std::to_string(i) + "]";
    if (!takeBytes(env, list.Get(i), path.c_str(), bytes)) passOn(env);
    if (bytes.length < 1 || bytes.length > maxLength) {
      throwRange(env, (path + ".length").c_str(), ("an integer >= 1 and <= " + std::to_string(maxLength)).c_str());
      passOn(env);
    }
    strings.emplace_back(bytes.data, bytes.data + bytes.length);
  }
  return strings;
}

bool Options::has(const char* field) const {
  return !object_.Get(field).IsUndefined();
}

std::optional<std::string> Options::text(const char* field) const {
  const Napi::Value value = object_.Get(field);
  if (value.IsUndefined()) return std::nullopt;
  return textOf(value, pathOf(field));
}

std::vector<std::string> Options::texts(const char* field) const {
  const Napi::Array list = arrayOf(field, "an array of strings");
  std::vector<std::string> texts;
  // The length is asked for again each time: a getter may have changed it.
  for (uint32_t i = 0; i < list.Length(); i++) {
    texts.push_back(textOf(list.Get(i), pathOf(field) + "[" + std::to_string(i) + "]"));
  }
  return texts;
}

std::optional<std::string> Options::bytes(const char* field, size_t maxLength) const {
  const Napi::Env env = object_.Env();
  const Napi::Value value = object_.Get(field);
  if (value.IsUndefined()) return std::nullopt;
  ByteArray bytes;
  if (!takeBytes(env, value, pathOf(field).c_str(), bytes)) passOn(env);
  if (bytes.length > maxLength) {
    throwRange(env, (pathOf(field) + ".length").c_str(), ("an integer <= " + std::to_string(maxLength)).c_str());
    passOn(env);
  }
  return std::string(bytes.data, bytes.data + bytes.length);
}

std::vector<Options> Options::list(const char* field) const {
  const Napi::Array list = arrayOf(field, "an array of objects");
  std::vector<Options> options;
  for (uint32_t i = 0; i < list.Length(); i++) {
    options.emplace_back(list.Get(i), (pathOf(field) + "[" + std::to_string(i) + "]").c_str());
  }
  return options;
}

Napi::Array Options::arrayOf(const char* field, const char* what) const {
  const Napi::Value value = object_.Get(field);
  if (!value.IsArray()) {
    throwType(object_.Env(), pathOf(field).c_str(), what);
    passOn(object_.Env());
  }
  return value.As<Napi::Array>();
}

}  // namespace miniproto::binding
