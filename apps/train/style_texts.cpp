#include "apps/train/style_texts.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>

#include "apps/train/batch.h"
#include "core/files.h"
#include "core/ops.h"

namespace limn {

namespace {

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

std::vector<std::string> parts_of(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(trimmed(part));
  return parts;
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words{""};
  for (const char c : text)
    if (std::isalpha(static_cast<unsigned char>(c)))
      words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (!words.back().empty())
      words.emplace_back();
  return words;
}

std::set<std::string> telling_words(const std::string& text) {
  std::set<std::string> words;
  for (const std::string& word : words_of(text))
    if (!word.empty() && !std::ranges::count(std::array{"a", "an", "the", "of", "and", "in", "with", "at", "on"}, word))
      words.insert(word);
  return words;
}

/// "dc1e1e 0f5028" -> [2 3] in 0..1; undefined for ""
Tensor palette_of(const std::string& text, const std::string& where) {
  std::vector<float> levels;
  for (const std::string& colour : parts_of(text, ' ')) {
    if (colour.size() != 6 || colour.find_first_not_of("0123456789abcdef") != std::string::npos)
      throw InputError(where + "colour: got \"" + colour + "\", expected six digits such as dc1e1e");
    for (std::size_t i = 0; i < 6; i += 2)
      levels.push_back(static_cast<float>(std::stoi(colour.substr(i, 2), nullptr, 16)) / 255.0f);
  }
  return levels.empty() ? Tensor() : at::tensor(levels, at::kFloat).view({-1, 3});
}

StyleDrawing look_of(const std::string& text, const std::string& where) {
  StyleDrawing look;
  for (const std::string& word : parts_of(text, ' ')) {
    constexpr const char* names[] = {"strokes", "dots", "cells", "clouds", "stripes"};
    const auto found = std::ranges::find(names, word);
    if (found != std::end(names))
      look.pattern = static_cast<Pattern>(found - names);
    else if (word == "fine" || word == "coarse")
      look.fineness = word == "fine" ? 1 : -1;
    else if (word == "soft" || word == "hard")
      look.hardness = word == "hard" ? 1 : -1;
    else
      throw InputError(where + "look: got \"" + word +
                       "\", expected strokes, dots, cells, clouds, stripes, fine, coarse, soft or hard");
  }
  return look;
}

template <typename T>
const T& one_of(const std::vector<T>& list, std::mt19937_64& random) {
  return list[draw_below(random, list.size())];
}

struct Names {
  std::string english, chinese;
  std::string all;  // that these stand for, in English
};

Names names_of(const StyleWord& word, std::mt19937_64& random) {
  Names names{one_of(word.english, random), one_of(word.chinese, random), {}};
  for (const std::string& name : word.english) names.all += name + " ";
  return names;
}

std::string joined(const std::vector<std::string>& names, const char* comma, const char* last) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i)
    text += (i == 0 ? "" : i + 1 == names.size() ? last : comma) + names[i];
  return text;
}

/// One to three colours, all different.
struct Colours {
  Names names;
  Tensor palette;
};

Colours some_colours(const StyleVocabulary& v, std::mt19937_64& random) {
  const double few = draw_unit(random);
  const std::size_t count = few < 0.15 ? 1 : few < 0.8 ? 2 : 3;
  std::vector<std::size_t> chosen;
  while (chosen.size() < std::min(count, v.colours.size())) {
    const std::size_t index = draw_below(random, v.colours.size());
    if (!std::ranges::count(chosen, index)) chosen.push_back(index);
  }
  std::vector<std::string> english, chinese;
  std::string all;
  std::vector<Tensor> palette;
  for (const std::size_t index : chosen) {
    const Names names = names_of(v.colours[index], random);
    english.push_back(names.english);
    chinese.push_back(names.chinese);
    all += names.all;
    palette.push_back(v.colours[index].palette);
  }
  return {{joined(english, ", ", " and "), joined(chinese, "、", "和"), all}, at::cat(palette)};
}

/// A sentence in both languages; %1 and %2 stand for what is put in.
struct Form {
  std::string english, chinese;
};

/// "a impressionist painting" -> "an impressionist painting"
std::string with_articles(std::string english) {
  for (std::size_t at = 0; at + 2 < english.size(); ++at)
    if (english.compare(at, 2, "a ") == 0 && (at == 0 || english[at - 1] == ' ') &&
        std::string_view("aeiou").find(english[at + 2]) != std::string_view::npos)
      english.insert(at + 1, "n");
  return english;
}

Names said(const std::vector<Form>& forms, const Names& first, const Names& second, std::mt19937_64& random) {
  const auto filled = [](std::string form, const std::string& one, const std::string& two) {
    for (const auto& [hole, text] : {std::pair{"%1", &one}, {"%2", &two}})
      if (const auto at = form.find(hole); at != std::string::npos) form.replace(at, 2, *text);
    return form;
  };
  const Form& form = one_of(forms, random);
  return {with_articles(filled(form.english, first.english, second.english)),
          filled(form.chinese, first.chinese, second.chinese), form.english + " " + first.all + second.all};
}

struct Description {
  Names names;
  StyleDrawing drawing;
};

Description in_named_colours(const StyleVocabulary& v, std::mt19937_64& random) {
  const Colours colours = some_colours(v, random);
  const StyleWord& pattern = one_of(v.patterns, random);
  StyleDrawing drawing = pattern.look;
  const double kind = draw_unit(random);
  Names names;
  if (kind < 0.75) {
    names = said({{"%1 %2", "%1的%2"},
                  {"%2 in %1", "%1%2"},
                  {"%2 of %1", "%1组成的%2"},
                  {"a painting of %1 %2", "画着%1%2的画"}},
                 colours.names, names_of(pattern, random), random);
  } else {
    drawing = {.palette = {}, .pattern = static_cast<Pattern>(draw_below(random, 5))};
    names = said({{"%1", "%1"}, {"a painting in %1", "%1的画"}, {"in %1 colours", "以%1为主的颜色"}}, colours.names, {},
                 random);
  }
  drawing.palette = colours.palette;
  return {names, drawing};
}

Description in_medium(const StyleVocabulary& v, std::mt19937_64& random) {
  const StyleWord& medium = one_of(v.media, random);
  const StyleWord& scene = one_of(v.scenes, random);
  const Names by = names_of(medium, random);
  StyleDrawing drawing = medium.look;
  const double kind = draw_unit(random);
  Names names;
  if (medium.palette.defined() && kind < 0.5) {
    names = said({{"%1", "%1"}, {"a %1", "一幅%1"}}, by, {}, random);
    drawing.palette = medium.palette;
  } else if (kind < 0.8 || medium.palette.defined()) {
    names = said({{"%1 of %2", "%2的%1"}, {"a %1 of %2", "一幅%2的%1"}, {"%2, %1", "%2，%1"}}, by,
                 names_of(scene, random), random);
    drawing.palette = medium.palette.defined() ? medium.palette : scene.palette;
  } else {
    const Colours colours = some_colours(v, random);
    names = said({{"%1 in %2", "%2的%1"}, {"a %1 in %2", "一幅%2的%1"}}, by, colours.names, random);
    drawing.palette = colours.palette;
  }
  return {names, drawing};
}

Description of_scene(const StyleVocabulary& v, std::mt19937_64& random) {
  const StyleWord& scene = one_of(v.scenes, random);
  StyleDrawing drawing = scene.look;
  drawing.palette = scene.palette;
  return {said({{"%1", "%1"}, {"%1", "%1"}, {"a picture of %1", "%1的图片"}, {"a painting of %1", "%1的画"}},
               names_of(scene, random), {}, random),
          drawing};
}

/// In any order, a little off; one colour gets a darker and a lighter one beside it.
Tensor varied(Tensor palette, std::mt19937_64& random) {
  if (palette.size(0) == 1) palette = at::cat({palette, palette * 0.8, palette * 0.85 + 0.15});
  const std::int64_t count = palette.size(0);
  for (std::int64_t i = count - 1; i > 0; --i) {
    const auto j = static_cast<std::int64_t>(draw_below(random, static_cast<std::uint64_t>(i) + 1));
    const Tensor order = at::arange(count);
    order[i].fill_(j);
    order[j].fill_(i);
    palette = palette.index_select(0, order);
  }
  std::vector<float> shift;
  for (std::int64_t i = 0; i < palette.numel(); ++i)
    shift.push_back(static_cast<float>(0.1 * draw_unit(random) - 0.05));
  return (palette + at::tensor(shift, at::kFloat).view({-1, 3})).clamp(0, 1);
}

}  // namespace

StyleVocabulary read_style_vocabulary(const std::filesystem::path& file, const std::vector<std::string>& held_out) {
  StyleVocabulary v;
  each_line(read_file(file), [&](std::string_view line, std::size_t number) {
    if (line.front() == '#') return;
    const std::string where = file.string() + ": line " + std::to_string(number) + ": ";
    const std::vector<std::string> cells = parts_of(std::string(line), ';');
    if (cells.size() != 5 && cells.size() != 4)
      throw InputError(where + "got " + std::to_string(cells.size()) +
                       " parts, expected kind; English; Chinese; colours; look");
    StyleWord word{.english = parts_of(cells[1], '|'),
                   .chinese = parts_of(cells[2], '|'),
                   .palette = palette_of(cells[3], where),
                   .look = look_of(cells.size() > 4 ? cells[4] : "", where)};
    if (word.english.empty() || word.chinese.empty()) throw InputError(where + "expected a name in both languages");
    const std::string& kind = cells[0];
    if ((kind == "colour" || kind == "scene") && !word.palette.defined())
      throw InputError(where + "a " + kind + " without colours");
    if (kind == "scene" && word.palette.size(0) < 2) throw InputError(where + "a scene has at least two colours");
    auto* list = kind == "colour"    ? &v.colours
                 : kind == "pattern" ? &v.patterns
                 : kind == "medium"  ? &v.media
                 : kind == "scene"   ? &v.scenes
                                     : nullptr;
    if (!list) throw InputError(where + "got kind \"" + kind + "\", expected colour, pattern, medium or scene");
    list->push_back(std::move(word));
  });
  for (const auto& [list, kind] :
       {std::pair{&v.colours, "colour"}, {&v.patterns, "pattern"}, {&v.media, "medium"}, {&v.scenes, "scene"}})
    if (list->empty()) throw InputError(file.string() + ": has no " + kind);
  for (const std::string& text : held_out) v.held_out.push_back(telling_words(text));
  return v;
}

bool says_held_out(const StyleVocabulary& v, const std::string& english) {
  const std::set<std::string> words = telling_words(english);
  return std::ranges::any_of(v.held_out, [&](const auto& held) { return std::ranges::includes(words, held); });
}

Tensor named_colours(const StyleVocabulary& v, const std::string& text) {
  std::vector<std::pair<std::string, Tensor>> names;
  for (const StyleWord& colour : v.colours)
    for (const auto* language : {&colour.english, &colour.chinese})
      for (const std::string& name : *language) names.emplace_back(name, colour.palette);
  std::ranges::stable_sort(names, [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  std::string left = " " + text + " ";
  const auto in_word = [&](std::size_t at) { return std::isalpha(static_cast<unsigned char>(left[at])) != 0; };
  std::vector<Tensor> found;
  for (const auto& [name, palette] : names)
    for (auto at = left.find(name); at != std::string::npos; at = left.find(name, at + 1))
      if (!in_word(at - 1) && !in_word(at + name.size())) {
        left.replace(at, name.size(), name.size(), '.');
        found.push_back(palette);
      }
  return found.empty() ? Tensor() : at::cat(found);
}

DescribedStyle described_style(const StyleVocabulary& v, std::mt19937_64& random) {
  for (;;) {
    const double kind = draw_unit(random);
    Description d = kind < 0.5 ? in_named_colours(v, random) : kind < 0.8 ? of_scene(v, random) : in_medium(v, random);
    if (says_held_out(v, d.names.all)) continue;
    d.drawing.palette = varied(d.drawing.palette, random);
    return {d.names.english, d.names.chinese, d.drawing};
  }
}

}  // namespace limn
