#include "apps/train/styled_pictures.h"

#include <iomanip>
#include <sstream>

#include "apps/train/batch.h"
#include "apps/train/style_pictures.h"
#include "apps/train/style_texts.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/ops.h"
#include "fusion/model.h"
#include "vision/image.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSide = 192;

/// Tells sets of such pictures apart.
std::string mark_of(const StyledTraining& wish, const std::vector<CaptionRecord>& photos, std::uint64_t seed) {
  Hash64 hash;
  hash.update(read_file(wish.words));
  for (const std::string& text : wish.held_out_texts) hash.update(text + "\n");
  hash.update(wish.painter.string() + " " + std::to_string(wish.pictures) + " " + std::to_string(seed) + " " +
              std::to_string(photos.size()));
  std::ostringstream mark;
  mark << std::hex << hash.value();
  return mark.str();
}

/// A photo in a style. @param style  uint8 [3 H W]. @return uint8 [3 H W]
Tensor painted(const Stylizer& painter, const std::vector<CaptionRecord>& photos, const Tensor& style,
               std::mt19937_64& random) {
  const Tensor photo = to_bytes(middle_square(photos[draw_below(random, photos.size())].image, kSide));
  return stylize(painter, photo, {StyleItem{.picture = style}}).picture;
}

}  // namespace

std::vector<CaptionRecord> styled_pictures(const StyledTraining& wish, const std::vector<CaptionRecord>& photos,
                                           const fs::path& run, std::uint64_t seed,
                                           const std::function<void(std::int64_t done)>& progress,
                                           const std::function<bool()>& stop) {
  const at::NoGradGuard no_grad;
  const StyleVocabulary words = read_style_vocabulary(wish.words, wish.held_out_texts);
  const fs::path folder = run / ("styled-" + mark_of(wish, photos, seed)), captions = folder / "captions.jsonl";
  if (fs::exists(captions)) return read_captions(captions);
  std::optional<Model> painter;
  if (!wish.painter.empty()) {
    painter = open_model(wish.painter);
    if (!painter->stylizer) throw InputError(wish.painter.string() + ": paints no pictures");
  }
  fs::create_directories(folder);
  std::mt19937_64 random(seed);
  std::string lines;
  for (std::int64_t i = 0; i < wish.pictures; ++i) {
    if (stop && stop()) return {};
    const DescribedStyle style = described_style(words, random);
    Tensor picture = to_bytes(drawn_style(style.drawing, kSide, random));
    if (painter && i % 2 == 1) picture = painted(*painter->stylizer, photos, picture, random);
    std::ostringstream name;
    name << std::setw(6) << std::setfill('0') << i << ".png";
    write_image(folder / name.str(), picture.permute({1, 2, 0}).contiguous());
    const Json said = Json::object({{"en", Json::list(std::vector<std::string>{style.english})},
                                    {"zh", Json::list(std::vector<std::string>{style.chinese})}});
    lines += Json::object({{"image", name.str()}, {"captions", said}}).dump() + "\n";
    if (progress) progress(i + 1);
  }
  write_file(captions, lines);
  return read_captions(captions);
}

}  // namespace limn
