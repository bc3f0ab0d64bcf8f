#pragma once

#include <filesystem>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "apps/train/style_pictures.h"

namespace limn {

/// What a name looks like. An entry of the file of words.
struct StyleWord {
  std::vector<std::string> english, chinese;  ///< names, each as good as the other
  Tensor palette;                             ///< float [n 3] in 0..1; undefined: in any colours
  StyleDrawing look;                          ///< without palette
};

struct StyleVocabulary {
  std::vector<StyleWord> colours, patterns, media, scenes;
  std::vector<std::set<std::string>> held_out;  ///< texts as sets of their words that say something
};

/// Reads a file of words: a line is `kind; English; Chinese; colours; look` with kind colour, pattern, medium or scene,
/// alternatives separated by |, colours as six hexadecimal digits each, look as words (recipes/style-words.txt).
/// @param held_out  English texts that shall never be said: no description has all words of one
/// @throws InputError naming the file, the line and what is wrong
StyleVocabulary read_style_vocabulary(const std::filesystem::path& file, const std::vector<std::string>& held_out);

/// Whether a text has all the words of one that is held out.
bool says_held_out(const StyleVocabulary& vocabulary, const std::string& english);

/// The colours that a text names, English or Chinese, the longest names first. float [n 3]; undefined where it names
/// none
Tensor named_colours(const StyleVocabulary& vocabulary, const std::string& text);

/// A style in words and how to draw it.
struct DescribedStyle {
  std::string english, chinese;
  StyleDrawing drawing;
};

/// A random description. None that is held out.
DescribedStyle described_style(const StyleVocabulary& vocabulary, std::mt19937_64& random);

}  // namespace limn
