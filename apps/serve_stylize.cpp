#include "apps/serve_stylize.h"

#include <charconv>
#include <chrono>

#include "apps/pictures.h"
#include "apps/stylize.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/ops.h"
#include "fusion/model.h"
#include "vision/compose.h"
#include "vision/drawing.h"
#include "vision/encode.h"
#include "vision/image.h"

namespace limn {

namespace {

constexpr std::size_t kMostPictures = 16;  // of either kind in a form
constexpr std::size_t kMostStyles = 64;    // that are kept
constexpr std::int64_t kLargestSize = 2048;

template <typename Number>
Number number(const std::string& name, const std::string& text) {
  Number value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size())
    throw InputError(name + ": got \"" + text.substr(0, 40) + "\", expected a number");
  return value;
}

std::vector<double> numbers(const std::string& name, const std::string& text) {
  std::vector<double> all;
  for (std::size_t from = 0, to = 0; to < text.size(); from = to + 1) {
    to = std::min(text.find(',', from), text.size());
    all.push_back(number<double>(name, text.substr(from, to - from)));
  }
  return all;
}

Tensor picture_of(const std::string& bytes, std::int64_t size, const std::string& what) {  // uint8 [3 H W]
  const Image image = decode({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, what);
  return fitted(image, size).permute({2, 0, 1}).contiguous();
}

void check(const StylizeForm& form) {
  for (const auto& [what, count] : {std::pair{"content", form.contents.size()}, {"style", form.styles.size()}})
    if (count < 1 || count > kMostPictures)
      throw InputError(std::string(what) + ": got " + std::to_string(count) + " pictures, expected 1 to " +
                       std::to_string(kMostPictures));
  if (!form.shares.empty() && form.shares.size() != form.styles.size())
    throw InputError("shares: got " + std::to_string(form.shares.size()) + ", expected one for each of " +
                     std::to_string(form.styles.size()) + " styles");
  if (form.size < 16 || form.size > kLargestSize)
    throw InputError("size: got " + std::to_string(form.size) + ", expected 16 to " + std::to_string(kLargestSize));
}

}  // namespace

void StylizeForm::add(const std::string& name, std::string value) {
  if (name == "content")
    contents.push_back(std::move(value));
  else if (name == "style")
    styles.push_back(std::move(value));
  else if (name == "shares")
    shares = numbers(name, value);
  else if (name == "compose")
    compose = std::move(value);
  else if (name == "color")
    colour = std::move(value);
  else if (name == "share")
    share = std::move(value);
  else if (name == "strength")
    strength = number<double>(name, value);
  else if (name == "size")
    size = number<std::int64_t>(name, value);
  else
    throw InputError("a form's part is named \"" + name.substr(0, 40) +
                     "\", expected content, style, shares, compose, color, share, strength or size");
}

StylizeAnswer FormStylizer::operator()(const StylizeForm& form) {
  check(form);
  const auto begin = std::chrono::steady_clock::now();
  const StylizeOptions options{
      .strength = form.strength, .share = parse_share_rule(form.share), .colour = parse_style_colour(form.colour)};
  const ComposeMode mode = parse_compose_mode(form.compose);
  std::vector<Tensor> contents;
  for (const std::string& bytes : form.contents) contents.push_back(picture_of(bytes, form.size, "a content"));
  const Composed canvas = compose(contents, {}, mode);

  if (!model_) {
    if (common_.model.empty()) common_.model = kDefaultStylizer;
    model_ = open_chosen_model(common_);
  }
  if (!model_->stylizer) throw InputError("the model " + common_.model + " paints no pictures");
  const bool recoloured = recolours(options.colour);
  if (read_.size() > kMostStyles) read_.clear();
  std::vector<StyleItem> styles;
  for (std::size_t i = 0; i < form.styles.size(); ++i) {
    StyleItem item{.picture = {}, .share = form.shares.empty() ? 1 : form.shares[i]};
    std::vector<Tensor>& read = read_[Hash64().update(form.styles[i]).update(std::to_string(form.size)).value()];
    if (recoloured || read.empty()) item.picture = picture_of(form.styles[i], form.size, "a style");
    if (!recoloured && read.empty()) read = read_style(*model_->stylizer, item.picture);
    if (!recoloured) item.read = read;
    styles.push_back(std::move(item));
  }
  const Stylized made = stylize(*model_->stylizer, canvas.picture, styles, options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  Json about = Json::object({{"width", made.picture.size(2)},
                             {"height", made.picture.size(1)},
                             {"seconds", seconds},
                             {"shares", Json::list(made.shares)}});
  if (contents.size() > 1) about.set("compose", compose_mode_word(canvas.mode));
  return {encode_image(made.picture.permute({1, 2, 0}).contiguous(), ".png"), about.dump()};
}

}  // namespace limn
