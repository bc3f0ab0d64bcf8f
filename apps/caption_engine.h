#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "apps/caption.h"
#include "fusion/captioner.h"

namespace limn {

/// One picture's captions, best first, or why there are none.
struct Described {
  std::vector<Caption> captions;
  std::string error;
};

/// What the caption command needs of a model; tests hand in one without weights.
struct CaptionEngine {
  std::string name;                    ///< for notes: family, folder, device
  std::vector<std::string> languages;  ///< empty: English only
  GenerateOptions defaults;
  /// Begin token and prompt as ids.
  std::function<std::vector<std::int64_t>(const std::string& prompt, const std::string& language)> begin;
  std::function<std::string(const std::vector<std::int64_t>& ids)> decode;
  /// Describes pictures, calling `each` once per picture, in order; ends early, without the unfinished ones, once
  /// interrupted() says so.
  std::function<void(const std::vector<std::filesystem::path>& pictures, const CaptionRequest& request,
                     const std::function<void(std::size_t index, const Described& described)>& each)>
      describe;
};

/// Opens the model that the options name. @throws UsageError where it writes no captions
CaptionEngine open_caption_engine(const CommonOptions& common, bool orient);

/// The model's defaults with the user's wishes on top.
/// @throws UsageError for wishes out of range or at odds with each other, and languages that the model lacks
CaptionRequest caption_request(const CaptionSearch& search, const CaptionEngine& engine);

/// The caption command with a model of the caller's; `open` is called when the first picture needs it.
int caption_with(const std::function<CaptionEngine()>& open, const CaptionOptions& options, std::istream& in,
                 std::ostream& out, std::ostream& notes);

/// Prints a caption while it grows: only text that later tokens cannot change any more.
class TokenPrinter {
 public:
  /// @param begin   ids that the caption begins with
  /// @param prefix  printed before the caption
  TokenPrinter(const CaptionEngine& engine, std::vector<std::int64_t> begin, std::string prefix, std::ostream& out);
  ~TokenPrinter();
  TokenPrinter(const TokenPrinter&) = delete;
  TokenPrinter& operator=(const TokenPrinter&) = delete;
  void add(std::int64_t token);
  /// The whole caption, prefix and all; prints what is still missing, and a newline.
  void finish(const std::string& text);

 private:
  const CaptionEngine& engine_;
  std::vector<std::int64_t> ids_;
  std::string prefix_, printed_;
  std::ostream& out_;
  bool finished_ = false;
};

}  // namespace limn
