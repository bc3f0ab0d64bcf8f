#include "apps/commands/commands.h"
#include "apps/tokenizer_train.h"

namespace limn {

void add_tokenizer(CLI::App& app, Action& action) {
  auto options = std::make_shared<TokenizerTrainOptions>();
  auto words = std::make_shared<std::string>("unigram");
  CLI::App* command = app.add_subcommand("tokenizer", "Make the vocabularies that models read and write with");
  command->require_subcommand(1);
  CLI::App* train = command->add_subcommand("train", "Train a SentencePiece vocabulary, for one language or several");
  train->add_option("inputs", options->inputs, "text files, a sentence a line, or caption JSON lines")
      ->type_name("")
      ->required();
  const Group group{*train, "Vocabulary"};
  group.option("-o,--out", options->out, "FOLDER", "where tokenizer.model and tokenizer_config.json are written")
      ->required();
  group.setting("--vocabulary", options->vocabulary, "N", "pieces at most");
  group.setting("--kind", *words, "KIND", "unigram or bpe");
  group.setting("--coverage", options->coverage, "X", "share of the running characters that become pieces");
  group
      .option("-l,--lang", options->languages, "LANG",
              "a language whose captions are taken; repeat for more (default: all)")
      ->allow_extra_args(false);
  group.flag("--lower", options->lower, "fold upper and lower case");
  train
      ->add_flag_callback(
          "--join-ideographs", [options] { options->cjk_chars = false; },
          "let pieces hold several ideographs (default: each is a piece of its own)")
      ->group(group.name);
  group.flag("--json", options->json, "report as one JSON object");
  train->footer("Example:\n  limn tokenizer train captions.jsonl --lang en --lang zh --vocabulary 4500 -o tokenizer");
  train->callback([options, words, &action] {
    action = [options, words] {
      if (*words != "unigram" && *words != "bpe")
        throw UsageError("--kind: got \"" + *words + "\", expected unigram or bpe");
      options->model = *words == "bpe" ? SentencePieceModel::bpe : SentencePieceModel::unigram;
      const int code = tokenizer_train(*options, std::cout);
      flush_results(std::cout);
      return code;
    };
  });
}

}  // namespace limn
