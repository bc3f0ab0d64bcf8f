#include "apps/commands/commands.h"
#include "apps/index.h"
#include "apps/search.h"
#include "apps/serve.h"
#include "fusion/database.h"

namespace limn {

namespace {

CLI::Option* add_store_option(const Group& group, std::string& store) {
  return group.option("--store", store, "ADDRESS", "an index in PostgreSQL: postgresql://user@host/database")
      ->check([](const std::string& text) {
        return is_database(text) ? "" : "got \"" + text + "\", expected postgresql://user@host/database";
      });
}

/// The index, as the first word or by --store; the words are then all words.
/// @param words  takes what else is named; null: nothing may be
void add_index_place(CLI::App& command, std::filesystem::path& file, std::vector<std::string>* words,
                     bool required = true) {
  auto store = std::make_shared<std::string>();
  command.add_option("index", file, "what limn index made; not with --store")->type_name("FILE");
  if (words) command.add_option("words", *words, "what is looked for; 2:words counts twice")->type_name("");
  add_store_option({command, "Index"}, *store);
  command.parse_complete_callback([&command, &file, words, store, required] {
    if (!store->empty()) {
      if (!file.empty() && !words) throw CLI::ExcludesError("index", "--store");
      if (!file.empty()) words->insert(words->begin(), file.string());
      file = *store;
    }
    if (file.empty() && required) throw CLI::RequiredError(command.get_name() + ": an index, FILE or --store ADDRESS,");
  });
}

}  // namespace

void add_index(CLI::App& app, Action& action) {
  auto options = std::make_shared<IndexOptions>();
  CLI::App* command = app.add_subcommand("index", "Make pictures searchable, or an index agree with its pictures");
  options->inputs.recursive = true;
  add_input_options(*command, options->inputs);
  command
      ->add_flag_callback(
          "--no-recursive", [options] { options->inputs.recursive = false; }, "leave subfolders out")
      ->group("Inputs");
  const Group group{*command, "Index"};
  auto store = std::make_shared<std::string>();
  CLI::Option* out =
      group.option("-o,--out", options->out, "FILE", "the index; made where it is not there, else brought up to date");
  add_store_option(group, *store)->excludes(out);
  group
      .option(
          "--captions", options->captions, "FILE",
          "captions that are searched too: JSON lines, COCO annotations, a folder with .txt files, a .tar; repeat for "
          "more")
      ->allow_extra_args(false);
  group.setting("--vectors", options->type, "TYPE", "of a new index: fp32, fp16 or int8");
  group.setting("--structure", options->structure, "WORD",
                "auto, exact or cells; auto: exact below a million pictures");
  group.option("--cells", options->cells, "N", "how many cells (default: twice the root of the number of pictures)")
      ->check(CLI::Range(1, 1 << 20));
  group.flag("--merge", options->merge, "the inputs are indexes (of shards), which become one");
  group.flag("--rebuild", options->rebuild, "begin anew, e.g. with another model");
  group.flag("--keep-missing", options->keep_missing, "pictures whose files are gone stay in the index");
  group.flag("--json", options->json, "a JSON object per failure and one at the end");
  add_model_options(*command, options->common);
  add_notes_options(*command, options->common);
  command->footer(
      "Examples:\n"
      "  limn index photos -o photos.idx                    run again: only what is new or changed is encoded\n"
      "  limn index photos -o photos.idx --captions captions.jsonl\n"
      "  limn index photos -o photos.idx --model openai/clip-vit-base-patch32 --vectors int8\n"
      "  limn index 'shards/*.tar' -o part-1.idx --shard 1/8    one of eight processes or machines\n"
      "  limn index --merge part-*.idx -o all.idx\n"
      "  limn index photos --store postgresql://me@server/photos\n"
      "\nSubfolders are looked into. An interrupted run goes on where it was.");
  command->callback([=, &action] {
    if (!store->empty()) options->out = *store;
    if (options->out.empty()) throw CLI::RequiredError("-o FILE or --store ADDRESS");
    action = [=] { return index_pictures(*options, std::cin, std::cout, std::cerr); };
  });
}

namespace {

void add_page_options(const Group& group, std::filesystem::path& html, std::filesystem::path& show) {
  group.option("--html", html, "FILE", "also a page with the pictures, for a browser");
  group.option("--show", show, "FILE", "also a PNG with the pictures");
}

}  // namespace

void add_search(CLI::App& app, Action& action) {
  auto options = std::make_shared<SearchCommand>();
  CLI::App* command = app.add_subcommand("search", "Find pictures of an index by words, by a picture, or by both");
  add_index_place(*command, options->file, &options->query.words);
  const Group query{*command, "Query"};
  query.option("--image", options->query.images, "FILE", "a picture that is looked for; repeat for more")
      ->allow_extra_args(false);
  query.option("--not", options->query.without, "WORDS", "words that wanted pictures do not fit; repeat for more")
      ->allow_extra_args(false);
  const Group filter{*command, "Filters"};
  filter.option("--path", options->filter.paths, "GLOB", "only these: a name, or a path with **; repeat for more")
      ->allow_extra_args(false);
  filter.option("--after", options->filter.after, "DATE", "taken (else changed) from this year, month or day on");
  filter.option("--before", options->filter.before, "DATE", "taken (else changed) before this year, month or day");
  filter.option("--min-score", options->limits.min_score, "X",
                "at least so many standard deviations above the index's mean, e.g. 3");
  filter.option("--min-rel", options->limits.min_relative, "X", "at least this share of the best score, e.g. 0.8");
  const Group results{*command, "Results"};
  results.setting("-k,--count", options->limits.count, "N", "pictures at most")->check(CLI::Range(1, 1 << 30));
  results.option("--rerank", options->limits.rerank, "N", "let the matching head read the N best, and sort them anew")
      ->check(CLI::Range(1, 1 << 20));
  results.option("--rerank-model", options->rerank_model, "MODEL",
                 "a model with a matching head (default: the index's)");
  results.option("--probes", options->limits.probes, "N", "cells that are looked into, in an index with cells")
      ->check(CLI::Range(1, 1 << 20));
  results.flag("--exact", options->limits.exact, "look at every vector, even in an index with cells");
  CLI::Option* json = results.flag("--json", options->json, "one JSON object a line");
  results.flag("-0,--null", options->zero, "paths only, separated by NUL, for xargs -0")->excludes(json);
  add_page_options(results, options->html, options->show);
  add_model_options(*command, options->common);
  add_notes_options(*command, options->common);
  command->footer(
      "Examples:\n"
      "  limn search photos.idx \"a dog on the beach\"\n"
      "  limn search photos.idx dog --not snow -k 50 --html dogs.html\n"
      "  limn search photos.idx --image sofa.jpg \"2:in red\" --after 2024\n"
      "  limn search photos.idx sunset --min-score 3 -0 | xargs -0 cp -t sunsets\n"
      "\nText: path, tab, similarity (with --rerank the probability of a match), best first.");
  command->callback([=, &action] { action = [=] { return search_index(*options, std::cout, std::cerr); }; });
}

void add_dedupe(CLI::App& app, Action& action) {
  auto options = std::make_shared<DedupeCommand>();
  CLI::App* command = app.add_subcommand("dedupe", "Group the pictures of an index that are nearly the same");
  add_index_place(*command, options->file, nullptr);
  const Group group{*command, "Results"};
  group.setting("--threshold", options->threshold, "X", "similarity from which on pictures count as the same")
      ->check(CLI::Range(0.0, 1.0));
  CLI::Option* json = group.flag("--json", options->json, "one JSON object a group");
  group.flag("-0,--null", options->zero, "all but the first of each group, separated by NUL")->excludes(json);
  add_page_options(group, options->html, options->show);
  group.option("-t,--threads", options->common.threads, "N", "threads that compute (default: the number of cores)")
      ->check(CLI::Range(1, 4096));
  add_notes_options(*command, options->common);
  command->footer(
      "Examples:\n"
      "  limn dedupe photos.idx --html same.html\n"
      "  limn dedupe photos.idx --threshold 0.98 -0 | xargs -0 ls -l\n"
      "\nText: a path and its similarity to the group's first a line, groups separated by empty lines; the first is "
      "the\n"
      "one with the most pixels.");
  command->callback([=, &action] {
    action = [=] {
      apply_threads(options->common);
      return dedupe_index(*options, std::cout, std::cerr);
    };
  });
}

void add_serve(CLI::App& app, Action& action) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command = app.add_subcommand("serve", "A local web page that searches an index and paints");
  add_index_place(*command, options->file, nullptr, /*required=*/false);
  const Group group{*command, "Address"};
  group.setting("--host", options->host, "ADDRESS", "where it listens; others than 127.0.0.1 let other machines in");
  group.setting("--port", options->port, "N", "0: any that is free")->check(CLI::Range(0, 65535));
  group.option("--rerank-model", options->rerank_model, "MODEL", "a model with a matching head (default: the index's)");
  group.option("--caption-model", options->caption_model, "MODEL",
               "describes pictures that are dropped (default: the index's where it can, else limn-small)");
  group.option("--stylizer", options->stylizer, "MODEL", "paints (default: limn-stylizer)");
  add_model_options(*command, options->common);
  add_notes_options(*command, options->common);
  command->footer(
      "Examples:\n  limn serve photos.idx\n  limn serve                     painting alone\n\nPrints its address; "
      "Ctrl-C ends it. The same as JSON: docs/index.md.");
  command->callback([=, &action] { action = [=] { return serve_index(*options, std::cout, std::cerr); }; });
}

}  // namespace limn
