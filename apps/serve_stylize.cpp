#include "apps/serve_stylize.h"

#include <charconv>
#include <chrono>
#include <sstream>

#include "apps/pictures.h"
#include "apps/stylize.h"
#include "apps/text_styles.h"
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

constexpr std::size_t kMostItems = 16;   // of either kind in a form
constexpr std::size_t kMostStyles = 64;  // that are kept
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
  for (const auto& [what, count] : {std::pair{"contents", form.contents.size()}, {"styles", form.styles.size()}})
    if (count < 1 || count > kMostItems)
      throw InputError("got " + std::to_string(count) + " " + what + ", expected 1 to " + std::to_string(kMostItems));
  check_one_for_each("shares", form.shares.size(), form.styles.size(), "styles");
  if (form.size < 16 || form.size > kLargestSize)
    throw InputError("size: got " + std::to_string(form.size) + ", expected 16 to " + std::to_string(kLargestSize));
}

}  // namespace

void StylizeForm::add(const std::string& name, std::string value) {
  if (name == "content")
    contents.push_back(std::move(value));
  else if (name == "style" || name == "style-text")
    styles.push_back({std::move(value), name == "style-text"});
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
                     "\", expected content, style, style-text, shares, compose, color, share, strength or size");
}

StyleItem FormStylizer::item_of(const StylizeForm::Style& style, std::int64_t size, bool recoloured,
                                std::ostream& notes) {
  const Stylizer& stylizer = *model_->stylizer;
  const std::string kind = style.words ? "words" : std::to_string(size);
  std::vector<Tensor>& read = read_[Hash64().update(style.value).update(kind).value()];
  StyleItem item;
  if (style.words) {
    if (read.empty()) read = read_text_styles({style.value}, stylizer, common_, notes).front();
  } else if (recoloured || read.empty()) {
    item.picture = picture_of(style.value, size, "a style");
    if (recoloured) return item;
    read = read_style(stylizer, item.picture);
  }
  item.read = read;
  return item;
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

  if (!model_) model_ = std::make_shared<const Model>(open_stylizer(common_));
  const bool recoloured = recolours(options.colour);
  if (read_.size() > kMostStyles) read_.clear();
  std::vector<StyleItem> styles;
  std::ostringstream notes;
  for (std::size_t i = 0; i < form.styles.size(); ++i) {
    styles.push_back(item_of(form.styles[i], form.size, recoloured, notes));
    if (!form.shares.empty()) styles.back().share = form.shares[i];
  }
  const Stylized made = stylize(*model_->stylizer, canvas.picture, styles, options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  Json about = Json::object({{"width", made.picture.size(2)},
                             {"height", made.picture.size(1)},
                             {"seconds", seconds},
                             {"shares", Json::list(made.shares)}});
  if (contents.size() > 1) about.set("compose", compose_mode_word(canvas.mode));
  if (!notes.str().empty()) about.set("note", notes.str());
  return {encode_image(made.picture.permute({1, 2, 0}).contiguous(), ".png"), about.dump()};
}

}  // namespace limn
