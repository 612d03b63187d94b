/** Reading two extensions of a ClientHello; hello.h. */
#include "tls/hello.h"

namespace miniproto {
namespace {

/** Takes numbers and fields off the front of an extension; once it is short, everything is empty. */
class Reader {
 public:
  Reader(const unsigned char* bytes, size_t size) : at_(bytes), left_(size) {}

  bool empty() const { return left_ == 0; }
  size_t number(size_t bytes) {
    size_t value = 0;
    if (left_ < bytes) left_ = 0;
    for (size_t i = 0; i < bytes && left_ > 0; i++, at_++, left_--) value = value << 8 | *at_;
    return value;
  }
  /** A field behind its length. */
  Reader field(size_t lengthBytes) {
    const size_t size = number(lengthBytes);
    if (size > left_) left_ = 0;
    const Reader inner(at_, size > left_ ? 0 : size);
    at_ += inner.left_;
    left_ -= inner.left_;
    return inner;
  }
  std::string text() const { return std::string(reinterpret_cast<const char*>(at_), left_); }

 private:
  const unsigned char* at_;
  size_t left_;
};

Reader extensionOf(SSL* ssl, unsigned type) {
  const unsigned char* bytes = nullptr;
  size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, type, &bytes, &size) != 1) size = 0;
  return Reader(bytes, size);
}

/** A host name has no zero in it (RFC 6066 §3: it is ASCII), and no length beyond DNS's. */
bool isHostName(const std::string& name) {
  return name.size() <= TLSEXT_MAXLEN_host_name && name.find('\0') == std::string::npos;
}

}  // namespace

TlsHello readHello(SSL* ssl) {
  TlsHello hello;
  Reader names = extensionOf(ssl, TLSEXT_TYPE_server_name).field(2);
  while (!names.empty() && hello.servername.empty()) {
    const bool isHost = names.number(1) == TLSEXT_NAMETYPE_host_name;
    const std::string name = names.field(2).text();
    if (isHost && isHostName(name)) hello.servername = name;
  }
  Reader protocols = extensionOf(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation).field(2);
  while (!protocols.empty()) {
    std::string name = protocols.field(1).text();
    if (!name.empty()) hello.alpn.push_back(std::move(name));
  }
  return hello;
}

}  // namespace miniproto
