/**
 * Ring: a class with methods and two accessors, over memory that JavaScript allocates.
 *
 * What could go wrong, and what is done about it:
 *   a method on another object       the object's type tag is compared before it is unwrapped
 *   the memory is transferred away   each call fetches it again; a detached one empties the ring, ERR_INVALID_STATE
 *   there is no memory               `new ArrayBuffer` throws instead of aborting: ERR_MEMORY_ALLOCATION_FAILED
 *   writing a ring's own view        refused with ERR_INVALID_ARG_VALUE, since growing would free what is read
 */
#include "bytes/ring.h"

#include "arguments.h"
#include "binding.h"
#include "options.h"

namespace miniproto::binding {
namespace {

constexpr napi_type_tag kRingTag = {0x6d696e6970726f74, 0x6f2d72696e670001};

/** ArrayBuffers held by strong references. Two at most, while a ring grows. */
class ArrayBufferMemory final : public RingMemory {
 public:
  explicit ArrayBufferMemory(napi_env env) : env_(env) {}
  ~ArrayBufferMemory() override {
    if (current_ != nullptr) napi_delete_reference(env_, current_);
  }

  /** Post: the newest memory is the one of buffer(); null, and no exception is pending, when there is none. */
  uint8_t* allocate(size_t size) override {
    napi_value buffer = nullptr;
    napi_ref reference = nullptr;
    void* data = nullptr;
    size_t length = 0;
    if (!construct(size, &buffer) || napi_get_arraybuffer_info(env_, buffer, &data, &length) != napi_ok ||
        length != size || napi_create_reference(env_, buffer, 1, &reference) != napi_ok) {
      clearException();
      return nullptr;
    }
    previous_ = current_;
    current_ = reference;
    return static_cast<uint8_t*>(data);
  }

  void release(uint8_t* /*memory*/, size_t /*size*/) override {
    napi_ref& released = previous_ != nullptr ? previous_ : current_;
    if (released != nullptr) napi_delete_reference(env_, released);
    released = nullptr;
  }

  /** The ArrayBuffer in use, or null. */
  napi_value buffer() const {
    napi_value value = nullptr;
    if (current_ != nullptr) napi_get_reference_value(env_, current_, &value);
    return value;
  }

  /** True while the memory in use is where it was. */
  bool isThere() const {
    void* data = nullptr;
    size_t length = 0;
    return current_ == nullptr || (napi_get_arraybuffer_info(env_, buffer(), &data, &length) == napi_ok && length > 0);
  }

 private:
  bool construct(size_t size, napi_value* buffer) {
    const auto* data = Napi::Env(env_).GetInstanceData<InstanceData>();
    napi_value argument = numberOf(env_, static_cast<double>(size));
    return napi_new_instance(env_, data->arrayBufferClass.Value(), 1, &argument, buffer) == napi_ok;
  }
  void clearException() {
    napi_value ignored = nullptr;
    napi_get_and_clear_last_exception(env_, &ignored);
  }

  napi_env env_;
  napi_ref current_ = nullptr;
  napi_ref previous_ = nullptr;
};

/** The native half of a ring object. */
struct RingHolder {
  RingHolder(napi_env env, const Ring::Options& options) : memory(env), ring(options, memory) {}
  ArrayBufferMemory memory;
  Ring ring;
};

void deleteRing(napi_env /*env*/, void* data, void* /*hint*/) {
  delete static_cast<RingHolder*>(data);
}

/** The ring that a method was called on, and its arguments. Null when an error is pending. */
template <size_t kCount>
RingHolder* takeRing(napi_env env, napi_callback_info call, napi_value (&values)[kCount]) {
  size_t count = kCount;
  napi_value receiver = nullptr;
  bool tagged = false;
  void* data = nullptr;
  if (napi_get_cb_info(env, call, &count, values, &receiver, nullptr) != napi_ok) return nullptr;
  if (napi_check_object_type_tag(env, receiver, &kRingTag, &tagged) != napi_ok || !tagged ||
      napi_unwrap(env, receiver, &data) != napi_ok) {
    throwType(env, "this", "a Ring");
    return nullptr;
  }
  // SAFETY: only rings carry the tag, and they wrap a RingHolder.
  auto* holder = static_cast<RingHolder*>(data);
  if (holder->memory.isThere()) return holder;
  holder->ring.abandon();
  holder->memory.release(nullptr, 0);
  napi_throw_error(env, "ERR_INVALID_STATE", "The ring's memory was transferred; its contents are lost");
  return nullptr;
}

napi_value lengthOf(napi_env env, napi_callback_info call) {
  napi_value values[1];
  const RingHolder* holder = takeRing(env, call, values);
  return holder == nullptr ? nullptr : numberOf(env, static_cast<double>(holder->ring.length()));
}

napi_value capacityOf(napi_env env, napi_callback_info call) {
  napi_value values[1];
  const RingHolder* holder = takeRing(env, call, values);
  return holder == nullptr ? nullptr : numberOf(env, static_cast<double>(holder->ring.capacity()));
}

/** True when the array lies on the ring's own memory. */
bool overlaps(napi_env env, const RingHolder& holder, const ByteArray& bytes) {
  void* data = nullptr;
  size_t length = 0;
  napi_value buffer = holder.memory.buffer();
  if (buffer == nullptr || napi_get_arraybuffer_info(env, buffer, &data, &length) != napi_ok) return false;
  const auto* memory = static_cast<const uint8_t*>(data);
  return bytes.length > 0 && bytes.data >= memory && bytes.data < memory + length;
}

/** The array and range that write and read take. */
bool takeSlice(napi_env env, const RingHolder& holder, const napi_value (&values)[3], MutableByteSpan& slice) {
  ByteArray bytes;
  size_t range[2];
  if (!takeBytes(env, values[0], "bytes", bytes)) return false;
  if (!takeRange(env, {values[1], values[2]}, bytes.length, kMaxSafeInteger, range)) return false;
  if (overlaps(env, holder, bytes)) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE", "The argument 'bytes' must not be a view of the ring");
    return false;
  }
  slice = {bytes.data + range[0], range[1] - range[0]};
  return true;
}

napi_value write(napi_env env, napi_callback_info call) {
  napi_value values[3];
  MutableByteSpan slice;
  RingHolder* holder = takeRing(env, call, values);
  if (holder == nullptr || !takeSlice(env, *holder, values, slice)) return nullptr;
  const Ring::Written written = holder->ring.write({slice.data, slice.size});
  if (written.outOfMemory && written.taken == 0) {
    napi_throw_range_error(env, "ERR_MEMORY_ALLOCATION_FAILED", "Cannot grow the ring: there is no memory");
    return nullptr;
  }
  return numberOf(env, static_cast<double>(written.taken));
}

napi_value read(napi_env env, napi_callback_info call) {
  napi_value values[3];
  MutableByteSpan slice;
  RingHolder* holder = takeRing(env, call, values);
  if (holder == nullptr || !takeSlice(env, *holder, values, slice)) return nullptr;
  return numberOf(env, static_cast<double>(holder->ring.read(slice)));
}

napi_value spans(napi_env env, napi_callback_info call) {
  napi_value values[1];
  const RingHolder* holder = takeRing(env, call, values);
  if (holder == nullptr) return nullptr;
  ByteSpan parts[2];
  const size_t count = holder->ring.spans(parts);
  napi_value list = nullptr;
  if (napi_create_array_with_length(env, count, &list) != napi_ok || count == 0) return list;
  napi_value buffer = holder->memory.buffer();
  void* start = nullptr;
  if (napi_get_arraybuffer_info(env, buffer, &start, nullptr) != napi_ok) return nullptr;
  for (uint32_t i = 0; i < count; i++) {
    const auto offset = static_cast<size_t>(parts[i].data - static_cast<uint8_t*>(start));
    napi_value view = nullptr;
    if (napi_create_typedarray(env, napi_uint8_array, parts[i].size, buffer, offset, &view) != napi_ok ||
        napi_set_element(env, list, i, view) != napi_ok) {
      return nullptr;
    }
  }
  return list;
}

napi_value consume(napi_env env, napi_callback_info call) {
  napi_value values[1];
  int64_t count = 0;
  RingHolder* holder = takeRing(env, call, values);
  if (holder == nullptr || !takeInteger(env, values[0], "count", {0, kMaxSafeInteger}, count)) return nullptr;
  holder->ring.consume(static_cast<size_t>(count));
  return nullptr;
}

/** The class's constructor makes an empty shell, with no tag: only createRing fills it. */
napi_value construct(napi_env env, napi_callback_info call) {
  napi_value receiver = nullptr;
  napi_get_cb_info(env, call, nullptr, nullptr, &receiver, nullptr);
  return receiver;
}

Napi::Value createRing(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const Options options(call[0], "options");
  constexpr auto kMost = static_cast<int64_t>(Ring::kMaxCapacity);
  const auto least = static_cast<size_t>(options.integer("minCapacity", {1, kMost}));
  const auto most = static_cast<size_t>(options.integer("maxCapacity", {1, kMost}));
  if ((least & (least - 1)) != 0) throwValue(env, "options.minCapacity", "a power of two");
  Napi::Object object = env.GetInstanceData<InstanceData>()->ringClass.New({});
  auto holder = std::make_unique<RingHolder>(env, Ring::Options{least, most});
  NAPI_THROW_IF_FAILED(env, napi_wrap(env, object, holder.get(), deleteRing, nullptr, nullptr), Napi::Value());
  static_cast<void>(holder.release());  // The wrapper has it now.
  NAPI_THROW_IF_FAILED(env, napi_type_tag_object(env, object, &kRingTag), Napi::Value());
  return object;
}

}  // namespace

void addRing(Napi::Env env, Napi::Object exports) {
  const auto method = static_cast<napi_property_attributes>(napi_default_method);
  const napi_property_descriptor properties[] = {
      {"length", nullptr, nullptr, lengthOf, nullptr, nullptr, napi_default, nullptr},
      {"capacity", nullptr, nullptr, capacityOf, nullptr, nullptr, napi_default, nullptr},
      {"write", nullptr, write, nullptr, nullptr, nullptr, method, nullptr},
      {"read", nullptr, read, nullptr, nullptr, nullptr, method, nullptr},
      {"spans", nullptr, spans, nullptr, nullptr, nullptr, method, nullptr},
      {"consume", nullptr, consume, nullptr, nullptr, nullptr, method, nullptr},
  };
  napi_value ringClass = nullptr;
  NAPI_THROW_IF_FAILED_VOID(env, napi_define_class(env, "Ring", NAPI_AUTO_LENGTH, construct, nullptr,
                                                   sizeof properties / sizeof properties[0], properties, &ringClass));
  env.GetInstanceData<InstanceData>()->ringClass = Napi::Persistent(Napi::Function(env, ringClass));
  exports.Set("createRing", Napi::Function::New(env, createRing, "createRing"));
}

}  // namespace miniproto::binding
