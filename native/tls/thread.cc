/** What a thread's TLS shares; thread.h. */
#include "tls/thread.h"

#include <new>
#include <utility>

#include "tls/errors.h"
#include "tls/pipe.h"
#include "tls/trust.h"

namespace miniproto {

TlsThread::TlsThread() : method_(makePipeMethod()) {}

void TlsThread::setRoots(std::vector<std::string> pem) {
  rootTexts_ = std::move(pem);
  roots_ = nullptr;
  rootsVersion_++;
}

X509_STORE* TlsThread::roots() noexcept {
  if (roots_ != nullptr) return roots_.get();
  TlsOwned<X509_STORE> store(X509_STORE_new());
  if (store == nullptr) return nullptr;
  TlsError ignored;
  // A root that this OpenSSL cannot read is one that nothing will be trusted for.
  for (const std::string& text : rootTexts_) addCertificates(store.get(), text, ignored);
  rootTexts_ = {};
  clearOpensslErrors();
  roots_ = std::move(store);
  return roots_.get();
}

uint8_t* TlsThread::scratch() noexcept {
  if (scratch_ == nullptr) scratch_.reset(new (std::nothrow) uint8_t[kScratch]);
  return scratch_.get();
}

}  // namespace miniproto
