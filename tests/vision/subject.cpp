#include "vision/subject.h"

#include "core/ops.h"
#include "tests/catch.h"
#include "tests/places.h"
#include "vision/image.h"

using namespace limn;

namespace {

Subject subject_of(const std::string& photo) {
  const Tensor pixels = read_image(source_folder() / "photos" / photo).pixels;
  return find_subject(pixels.permute({2, 0, 1}));
}

/// The mean of the mask in a window of the photo, given in shares of its sides.
double inside(const Subject& subject, double top, double left, double bottom, double right) {
  const auto side = [](std::int64_t length, double share) { return std::llround(share * static_cast<double>(length)); };
  const std::int64_t H = subject.mask.size(0), W = subject.mask.size(1);
  return subject.mask.slice(0, side(H, top), side(H, bottom))
      .slice(1, side(W, left), side(W, right))
      .mean()
      .item<double>();
}

}  // namespace

TEST_CASE("subject: what stands out of photos is found, with its outline", "[subject]") {
  const Subject dog = subject_of("dog-in-the-sun.jpg");
  CHECK(dog.distinct);
  CHECK(inside(dog, 0.45, 0.35, 0.7, 0.6) > 0.95);  // its body
  CHECK(inside(dog, 0, 0, 0.2, 1) < 0.01);          // the ground behind
  CHECK(inside(dog, 0.8, 0.75, 1, 1) < 0.01);
  const Subject sign = subject_of("bicycle-by-the-sign.jpg");
  CHECK(sign.distinct);
  CHECK(inside(sign, 0.5, 0.22, 0.7, 0.45) > 0.95);
  CHECK(inside(sign, 0, 0, 0.3, 1) < 0.01);
}

TEST_CASE("subject: crowds, rooms and what has no outline are not cut out unasked", "[subject]") {
  for (const char* photo : {"tennis-serve.jpg", "birthday-table.jpg", "wet-street.jpg", "riders-on-the-beach.jpg",
                            "motorcycle-in-fog.jpg"}) {
    CAPTURE(photo);
    CHECK_FALSE(subject_of(photo).distinct);
  }
}

TEST_CASE("subject: the same picture gives the same mask; flat and tiny ones have none", "[subject]") {
  CHECK(at::equal(subject_of("dog-in-the-sun.jpg").mask, subject_of("dog-in-the-sun.jpg").mask));
  for (const Tensor& flat :
       {at::zeros({3, 40, 60}, at::kByte), at::full({3, 1, 1}, 255, at::kByte), at::full({3, 300, 17}, 9, at::kByte)}) {
    const Subject none = find_subject(flat);
    CHECK(none.mask.sizes() == flat[0].sizes());
    CHECK(none.mask.max().item<float>() < 0.5F);
    CHECK_FALSE(none.distinct);
  }
}
