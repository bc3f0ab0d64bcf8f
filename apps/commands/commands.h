#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>
#include <memory>

#include "apps/caption.h"
#include "apps/inputs.h"
#include "apps/run.h"

namespace limn {

/// What the parsed command will do; run after parsing has succeeded.
using Action = std::function<int()>;

/// The options of one heading in the help.
struct Group {
  CLI::App& command;
  const char* name;
  template <typename Value>
  CLI::Option* option(const char* names, Value& value, const char* type, const char* help) const {
    return command.add_option(names, value, help)->type_name(type)->group(name);
  }
  /// The same, its present value named as the default.
  template <typename Value>
  CLI::Option* setting(const char* names, Value& value, const char* type, const char* help) const {
    return option(names, value, type, help)->capture_default_str();
  }
  CLI::Option* flag(const char* names, bool& value, const char* help) const {
    return command.add_flag(names, value, help)->group(name);
  }
};

/// Options that several commands share, under the headings General, Model, Inputs and Words.
void add_notes_options(CLI::App& command, CommonOptions& common);
void add_model_options(CLI::App& command, CommonOptions& common);
void add_input_options(CLI::App& command, InputOptions& inputs);
void add_search_options(CLI::App& command, CaptionSearch& search);

/// One function per command, in a file of its own: its options, fitted into the option structs of apps/.
void add_caption(CLI::App& app, Action& action);
void add_match(CLI::App& app, Action& action);
void add_classify(CLI::App& app, Action& action);
void add_ask(CLI::App& app, Action& action);
void add_embed(CLI::App& app, Action& action);
void add_index(CLI::App& app, Action& action);
void add_search(CLI::App& app, Action& action);
void add_dedupe(CLI::App& app, Action& action);
void add_serve(CLI::App& app, Action& action);
void add_evaluate(CLI::App& app, Action& action);
void add_train(CLI::App& app, Action& action);
void add_models(CLI::App& app, Action& action);
void add_tokenizer(CLI::App& app, Action& action);
void add_doctor(CLI::App& app, Action& action);
void add_stylize(CLI::App& app, Action& action);

}  // namespace limn
