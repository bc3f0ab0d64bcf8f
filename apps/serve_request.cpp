#include "apps/serve_request.h"

#include <charconv>

#include "core/json.h"

namespace limn {

namespace {

using httplib::ContentReader;
using httplib::MultipartFormData;
using httplib::Request;
using httplib::Response;

constexpr std::size_t kLongest = 2000;  // characters of a query
constexpr std::size_t kParts = 64;      // of a form

}  // namespace

bool is_ours(const Request& request, const std::string& address) {
  const std::string host = request.get_header_value("Host");
  const std::string name =
      host.substr(0, host.rfind(':') == std::string::npos || host.back() == ']' ? host.npos : host.rfind(':'));
  const bool local = name == "127.0.0.1" || name == "localhost" || name == "[::1]" || name == address;
  if (!local && address != "0.0.0.0" && address != "::") return false;
  const std::string origin = request.get_header_value("Origin");
  return origin.empty() || origin == "http://" + host;
}

std::int64_t whole_number(const std::string& text, const char* name, std::int64_t least, std::int64_t most) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
    throw BadRequest(std::string(name) + ": expected a whole number from " + std::to_string(least) + " to " +
                     std::to_string(most));
  return value;
}

std::vector<std::string> values_of(const Request& request, const char* name) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < request.get_param_value_count(name); ++i) {
    std::string value = request.get_param_value(name, i);
    if (value.size() > kLongest) throw BadRequest(std::string(name) + ": is too long");
    if (value.find_first_not_of(" \t\r\n") != std::string::npos) all.push_back(std::move(value));
  }
  return all;
}

Image picture_of(const Request& request, const ContentReader& read) {
  std::string body;
  int part = 1;
  const auto take = [&](const char* data, std::size_t size) {
    if (part == 1) body.append(data, size);
    return true;
  };
  if (request.is_multipart_form_data()) part = 0;
  const bool whole = part == 0 ? read([&part](const MultipartFormData&) { return ++part > 0; }, take) : read(take);
  if (!whole) throw BadRequest("the request's body is incomplete, or larger than 64 MiB");
  if (body.empty()) throw BadRequest("expected a picture as the request's body");
  return decode({reinterpret_cast<const std::uint8_t*>(body.data()), body.size()}, "the picture");
}

StylizeForm form_of(const Request& request, const ContentReader& read) {
  if (!request.is_multipart_form_data()) throw BadRequest("expected a form with pictures named content and style");
  std::vector<std::pair<std::string, std::string>> parts;
  const bool whole = read(
      [&parts](const MultipartFormData& part) {
        parts.emplace_back(part.name, "");
        return parts.size() <= kParts;
      },
      [&parts](const char* data, std::size_t size) {
        if (!parts.empty()) parts.back().second.append(data, size);
        return !parts.empty();
      });
  if (parts.size() > kParts) throw BadRequest("the form has more than " + std::to_string(kParts) + " parts");
  if (!whole) throw BadRequest("the request's body is incomplete, or larger than 64 MiB");
  StylizeForm form;
  for (auto& [name, value] : parts) form.add(name, std::move(value));
  return form;
}

void answer_error(Response& response, int status, const std::string& what) {
  response.status = status;
  response.set_content(Json::object({{"error", what}}).dump() + "\n", "application/json");
}

void answer_error(Response& response, const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const NotFound& fault) {
    answer_error(response, 404, fault.what());
  } catch (const Error& fault) {
    answer_error(response, 400, fault.what());
  } catch (const std::exception&) {
    answer_error(response, 500, "internal error");
  } catch (...) {
    answer_error(response, 500, "internal error");
  }
}

}  // namespace limn
