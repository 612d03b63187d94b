/** The table of slots: what is in it stays where it is, however much it grows, and begins empty. */
#include "net/slots.h"

#include <memory>
#include <vector>

#include "check.h"

using namespace miniproto;

namespace {

struct Element {
  size_t number = 7;
  std::unique_ptr<int> owned;
};

/** Past the borders of several blocks. */
constexpr size_t kMany = 1000;

void keepsTheirPlaces() {
  Slots<Element> slots;
  std::vector<Element*> places;
  CHECK(slots.size() == 0);
  for (size_t index = 0; index < kMany; index++) {
    slots.grow();
    CHECK(slots.size() == index + 1);
    Element& added = slots[index];
    CHECK(added.number == 7 && added.owned == nullptr);
    added.number = index;
    added.owned = std::make_unique<int>(static_cast<int>(index));
    places.push_back(&added);
  }
  const Slots<Element>& read = slots;
  for (size_t index = 0; index < kMany; index++) {
    CHECK(&slots[index] == places[index] && &read[index] == places[index]);
    CHECK(read[index].number == index && *read[index].owned == static_cast<int>(index));
  }
}

}  // namespace

int main() {
  keepsTheirPlaces();
  std::puts("slots_test: ok");
}
