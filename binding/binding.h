/**
 * What the files of the binding share: a function per native class that adds it to the exports, and the data that one
 * environment (the main thread, a worker) keeps. Nothing is shared between environments but the kernel choice.
 */
#pragma once

#include <napi.h>

namespace miniproto::binding {

/** Per environment; freed by Node-API when the environment ends. */
struct InstanceData {
  /** The class behind createRing. */
  Napi::FunctionReference ringClass;
  /** JavaScript's ArrayBuffer constructor: it throws where there is no memory, Node-API's own function aborts. */
  Napi::FunctionReference arrayBufferClass;
};

void addScan(Napi::Env env, Napi::Object exports);
void addMask(Napi::Env env, Napi::Object exports);
void addFramers(Napi::Env env, Napi::Object exports);
void addRing(Napi::Env env, Napi::Object exports);
void addFile(Napi::Env env, Napi::Object exports);
void addText(Napi::Env env, Napi::Object exports);

/** Adds a function that is called without a wrapper around its arguments. Throws Napi::Error. */
inline void addRaw(Napi::Env env, Napi::Object target, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  NAPI_THROW_IF_FAILED_VOID(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function));
  target.Set(name, function);
}

}  // namespace miniproto::binding
