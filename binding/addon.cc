/**
 * The addon `miniproto_core`: its exports are NativeInterface of lib/native-interface.ts, and `layout`.
 *
 * Node-API only: it loads in any Node, and in runtimes that have Node-API without libuv. It can be loaded by any number
 * of worker threads; each load makes its own InstanceData. C++ exceptions end at each callback and become JavaScript's.
 */
#include <string>

#include "binding.h"
#include "layout.h"
#include "simd/kernels.h"

namespace miniproto::binding {
namespace {

Napi::Value kernelNames(const Napi::CallbackInfo& call) {
  const char* names[4] = {};
  const size_t count = availableKernels(names);
  Napi::Array list = Napi::Array::New(call.Env(), count);
  for (uint32_t i = 0; i < count; i++) list.Set(i, names[i]);
  return list;
}

Napi::Value kernelName(const Napi::CallbackInfo& call) {
  return Napi::String::New(call.Env(), kernels().name);
}

void chooseKernel(const Napi::CallbackInfo& call) {
  if (!call[0].IsString()) {
    napi_throw_type_error(call.Env(), "ERR_INVALID_ARG_TYPE", "The \"name\" argument must be of type string");
  } else if (!selectKernel(call[0].As<Napi::String>().Utf8Value().c_str())) {
    napi_throw_type_error(call.Env(), "ERR_INVALID_ARG_VALUE", "The argument \"name\" must be one of kernels()");
  }
}

constexpr NamedNumber kInterface[] = {{"NATIVE_INTERFACE", kNativeInterface}};

Napi::Value layout(const Napi::CallbackInfo& call) {
  Napi::Object numbers = Napi::Object::New(call.Env());
  setNumbers(numbers, kInterface);
  setFrameTable(numbers);
  return numbers;
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  auto* data = new InstanceData();
  env.SetInstanceData(data);
  data->arrayBufferClass = Napi::Persistent(env.Global().Get("ArrayBuffer").As<Napi::Function>());
  addScan(env, exports);
  addMask(env, exports);
  addFramers(env, exports);
  addRing(env, exports);
  addText(env, exports);
  addFile(env, exports);
  exports.Set("kernels", Napi::Function::New(env, kernelNames, "kernels"));
  exports.Set("kernel", Napi::Function::New(env, kernelName, "kernel"));
  exports.Set("selectKernel", Napi::Function::New(env, chooseKernel, "selectKernel"));
  exports.Set("layout", Napi::Function::New(env, layout, "layout"));
  return exports;
}

}  // namespace

}  // namespace miniproto::binding

namespace {
Napi::Object initializeAddon(Napi::Env env, Napi::Object exports) {
  return miniproto::binding::initialize(env, exports);
}
}  // namespace

NODE_API_MODULE(miniproto_core, initializeAddon)
