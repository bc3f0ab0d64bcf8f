#pragma once

#include <httplib.h>

#include <cstdint>
#include <exception>
#include <string>
#include <vector>

#include "apps/serve_stylize.h"
#include "core/error.h"
#include "vision/image.h"

namespace limn {

inline constexpr std::size_t kUpload = 64 << 20;  // bytes of a picture that is dropped, or of a form

/// What is wrong with a request: it is answered with 400.
struct BadRequest : Error {
  using Error::Error;
};
/// There is nothing of that kind here: 404.
struct NotFound : Error {
  using Error::Error;
};

/// Against pages of other sites that send requests here, and against names that are made to point here.
/// @param address  where the server listens
bool is_ours(const httplib::Request& request, const std::string& address);

/// @throws BadRequest naming the parameter, for anything but a number from `least` to `most`
std::int64_t whole_number(const std::string& text, const char* name, std::int64_t least, std::int64_t most);
/// A parameter's values, without those of white space alone. @throws BadRequest where one is too long
std::vector<std::string> values_of(const httplib::Request& request, const char* name);
/// The picture that is the request's body, or the first part of a form. The body is read here, whatever its type says:
/// the library would cut off what claims to be a form's text, as curl's --data-binary does, at 8 kB.
/// @throws BadRequest, InputError
Image picture_of(const httplib::Request& request, const httplib::ContentReader& read);
/// What is to be painted, from a form's parts. @throws BadRequest, InputError
StylizeForm form_of(const httplib::Request& request, const httplib::ContentReader& read);

/// Errors are answered as JSON, too.
void answer_error(httplib::Response& response, int status, const std::string& what);
/// With the status of its kind: Limn's own say what was wrong, others nothing.
void answer_error(httplib::Response& response, const std::exception_ptr& error);

}  // namespace limn
