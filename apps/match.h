#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "apps/inputs.h"
#include "apps/run.h"
#include "apps/sidecar.h"
#include "core/tensor.h"

namespace limn {

/// Texts as the user gives them.
struct TextOptions {
  std::vector<std::string> texts;
  std::string file;  ///< one a line, blank lines left out; "-": standard input; "": none
};

/// All of them, in order. @throws UsageError for texts of white space alone, InputError where the file cannot be read
std::vector<std::string> gather_texts(const TextOptions& options, std::istream& standard_input);

struct MatchOptions {
  CommonOptions common;
  InputOptions inputs;
  TextOptions texts;
  bool json = false;
};

/// `limn match`: for each picture and each text the probability that they belong together, where the model has a
/// matching head, and the similarity, where it embeds both. A line per pair: path (unless there is one picture),
/// probability or -, similarity or -, text.
/// @return an ExitCode
/// @throws UsageError, CheckpointError, InputError where nothing can be done at all
int match(const MatchOptions& options, std::istream& in, std::ostream& out, std::ostream& notes);

struct ClassifyOptions {
  CommonOptions common;
  InputOptions inputs;
  std::vector<std::string> labels;     ///< each "A,B,C", or a file with one a line
  std::vector<std::string> templates;  ///< with {} for the label; each alone, or a file; empty: "a photo of {}"
  std::int64_t top = 0;                ///< labels told per picture; 0: all, in text one where there are many pictures
  bool json = false;
};

/// `limn classify`: which of the labels a picture shows, by a model that embeds both. Several templates are averaged:
/// the label is the mean of their embeddings.
int classify(const ClassifyOptions& options, std::istream& in, std::ostream& out, std::ostream& notes);

struct AskOptions {
  CommonOptions common;
  InputOptions inputs;
  std::string question;
  std::int64_t beams = 0, max_length = 0;  ///< 0: the model's own
  bool scores = false, json = false;
};

/// `limn ask`: the answer to a question, for each picture.
int ask(const AskOptions& options, std::istream& in, std::ostream& out, std::ostream& notes);

struct EmbedOptions {
  CommonOptions common;
  InputOptions inputs;
  TextOptions texts;                    ///< instead of pictures
  std::string out;                      ///< writes out.npy and out.jsonl
  bool raw = false;                     ///< as the model gives them, not of length one
  Existing existing = Existing::error;  ///< or overwrite
};

/// `limn embed`: rows of float32 in a .npy file, and beside it a .jsonl file with what each row is of.
/// @throws WriteError where a file is there already or cannot be written
int embed(const EmbedOptions& options, std::istream& in, std::ostream& out, std::ostream& notes);

struct Embedder;

/// Labels as rows of length one, each the mean over the templates.
/// @throws InputError for a template without {}
Tensor label_embeddings(const Embedder& embedder, const std::vector<std::string>& labels,
                        const std::vector<std::string>& templates);

/// "A,B,C" and files with one a line, together. @throws UsageError where none is given, one is empty or there twice
std::vector<std::string> read_labels(const std::vector<std::string>& words);
/// Templates alone or from files; "a photo of {}" where none is given. @throws UsageError where one lacks {}
std::vector<std::string> read_templates(const std::vector<std::string>& words);

/// What the user should know of a text whose end the text tower does not read; "" where all of it is read.
std::string cut_note(const Embedder& embedder, const std::string& text);

/// Tells it of each text.
void note_cut_texts(const Embedder& embedder, const std::vector<std::string>& texts, const CommonOptions& common,
                    std::ostream& notes);

}  // namespace limn
