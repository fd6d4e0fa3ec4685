/* test_route.c - tests route.c without sockets: requests are parsed from text, and a row says which
 * response follows from the route table. Run it with `make test TEST=route`.
 */
#include "json.h"
#include "route.h"
#include "tests/test.h"

/* Parts of paths and methods of 128 bytes, the longest that an error message contains. */
#define X31  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X127 "x" X31 "x" X31 "x" X31 X31

#define NOT_FOUND(path)     ERROR("404", "Not Found", "Path " path " not found")
#define NOT_ALLOWED(method) ERROR("405", "Method Not Allowed", method " not allowed")
#define FORBIDDEN           ERROR("403", "Forbidden", CROSS_SITE)
#define CROSS_SITE          "This request comes from a page of another origin"

static int get(const struct http_request *req, struct http_response *res) {
    text_put_all(&res->body, STR("get "), req->query);
    return 200;
}

static int post(const struct http_request *req, struct http_response *res) {
    text_put_all(&res->body, STR("post "), req->body);
    return 200;
}

/* Writes a field and more than the body holds, and then finds an error. */
static int fail(const struct http_request *req, struct http_response *res) {
    http_add_field(res, STR("X"), req->path);
    while (!res->body.truncated) text_put(&res->body, STR("secret"));
    return route_error(res, 401, "You failed");
}

static const struct route routes[] = {
    {"GET", "/", get},        {"GET", "/home", get},  {"POST", "/home", post},
    {"POST", "/login", post}, {"GET", "/fail", fail}, {"GET", "/" X127, get},
    {NULL, NULL, NULL},
};

/* ---- Calling route_request ---- */

static struct http_response res;

/* Routes a request with this request-line, without its version, and these field lines. */
static int route(const char *line, const char *fields) {
    static char storage[HTTP_BUFFER_SIZE + 1];
    static struct http_request req;
    struct text text = TEXT(storage);
    text_put_all(&text, str_of(line), STR(" HTTP/1.1\r\nHost: a\r\n"), str_of(fields), STR("\r\n"));
    int n = http_parse(text.s, text.len, &req);
    CASE(line);
    CHECK_INT(n, (int)text.len);
    if (n <= 0) return 0;
    memset(&res, 0x55, sizeof res);
    http_response_init(&res, &req);
    return route_request(routes, &req, &res);
}

/* ---- Tests ---- */

struct row {
    const char *line, *fields;
    int status;
    const char *allow, *body; /* the field Allow, or NULL if the response has no field of its own */
};

static void check_rows(const struct row rows[], size_t count) {
    for (size_t i = 0; i < count; i++) {
        char storage[HTTP_EXTRA_FIELDS_SIZE];
        struct text allow = TEXT(storage);
        CHECK_INT(route(rows[i].line, rows[i].fields), rows[i].status);
        if (rows[i].allow) text_put_all(&allow, STR("Allow: "), str_of(rows[i].allow), STR("\r\n"));
        CHECK_VIEW(text_str(&res.extra_fields), text_str(&allow));
        CHECK_VIEW(text_str(&res.body), str_of(rows[i].body));
        CHECK(!res.body.truncated);
    }
}

#define FOREIGN "Origin: http://b\r\n"

static const struct row paths[] = {
    {"GET /", "", 200, NULL, "get "},
    {"GET /home?a=b", "", 200, NULL, "get a=b"},
    {"GET http://a", "", 200, NULL, "get "},
    {"POST /home", "", 200, NULL, "post "},
    {"GET /%68om%65", "", 200, NULL, "get "},
    {"GET /home/", "", 200, NULL, "get "},
    {"GET /home%2f", "", 404, NULL, NOT_FOUND("/home%2f")},
    {"GET /home//", "", 404, NULL, NOT_FOUND("/home/")},
    {"GET /home/x", "", 404, NULL, NOT_FOUND("/home/x")},
    {"GET /Home", "", 404, NULL, NOT_FOUND("/Home")},
    {"GET /hom", "", 404, NULL, NOT_FOUND("/hom")},
    {"DELETE /x?a=b", "", 404, NULL, NOT_FOUND("/x")},
    {"GET /%22%5c%0a%3c%c3%a9%ff", "", 404, NULL, NOT_FOUND("/\\\"\\\\\\n<\\u00e9\\ufffd")},
};
static const struct row methods[] = {
    {"HEAD /home", "", 200, "GET, HEAD, POST, OPTIONS", "get "},
    {"HEAD /login", "", 405, "POST, OPTIONS", NOT_ALLOWED("HEAD")},
    {"HEAD /x", "", 404, NULL, NOT_FOUND("/x")},
    {"OPTIONS /home", "", 200, "GET, HEAD, POST, OPTIONS", "{}"},
    {"OPTIONS /login/", "", 200, "POST, OPTIONS", "{}"},
    {"OPTIONS *", "", 200, "OPTIONS", "{}"},
    {"OPTIONS /x", "", 404, NULL, NOT_FOUND("/x")},
    {"GET /login", "", 405, "POST, OPTIONS", NOT_ALLOWED("GET")},
    {"DELETE /", "", 405, "GET, HEAD, OPTIONS", NOT_ALLOWED("DELETE")},
    {"get /home", "", 405, "GET, HEAD, POST, OPTIONS", NOT_ALLOWED("get")},
};
static const struct row origins[] = {
    {"POST /home", FOREIGN, 403, NULL, FORBIDDEN},
    {"POST /home", "Sec-Fetch-Site: cross-site\r\n", 403, NULL, FORBIDDEN},
    {"POST /home", "Origin: http://a\r\n", 200, NULL, "post "},
    {"GET /home", FOREIGN, 200, NULL, "get "},
    {"HEAD /home", FOREIGN, 200, "GET, HEAD, POST, OPTIONS", "get "},
    {"OPTIONS /home", FOREIGN, 200, "GET, HEAD, POST, OPTIONS", "{}"},
    {"DELETE /login", FOREIGN, 405, "POST, OPTIONS", NOT_ALLOWED("DELETE")},
    {"POST /x", FOREIGN, 404, NULL, NOT_FOUND("/x")},
};
static const struct row long_texts[] = {
    {"GET /" X127, "", 200, NULL, "get "},
    {"GET /" X127 "/", "", 404, NULL, NOT_FOUND("...")},
    {"GET /" X127 "x", "", 404, NULL, NOT_FOUND("...")},
    {"GET /" X127 X127 X127, "", 404, NULL, NOT_FOUND("...")},
    {"GET /y" X31 X31 X31 X31 "xx", "", 404, NULL, NOT_FOUND("/y" X31 X31 X31 X31 "xx")},
    {"M" X127 " /", "", 405, "GET, HEAD, OPTIONS", NOT_ALLOWED("M" X127)},
    {"MM" X127 " /", "", 405, "GET, HEAD, OPTIONS", NOT_ALLOWED("...")},
};

static void test_rows(void) {
    TEST("a handler is found by its decoded path; a trailing slash is ignored, but not %2f") {
        check_rows(paths, COUNT(paths));
    }
    TEST("HEAD is handled like GET; OPTIONS and 405 list the methods of the path (9110 9.3)") {
        check_rows(methods, COUNT(methods));
    }
    TEST("a browser may not send a request, other than GET, for a page of another origin: 403") {
        check_rows(origins, COUNT(origins));
    }
    TEST("a path or a method of 128 bytes is shown in an error; a longer one becomes \"...\"") {
        check_rows(long_texts, COUNT(long_texts));
    }
}

static void test_errors(void) {
    TEST("an error replaces what a handler wrote, erases it, and keeps its fields") {
        CHECK_INT(route("GET /fail", ""), 401);
        CHECK_VIEW(text_str(&res.body), STR(ERROR("401", "Unauthorized", "You failed")));
        CHECK_VIEW(text_str(&res.extra_fields), STR("X: /fail\r\n"));
        CHECK(!res.body.truncated);
        for (size_t i = res.body.len; i < HTTP_MAX_BODY / 6 * 6; i++) CHECK(res.body.s[i] == '\0');
    }
    TEST("an error is valid JSON, also without a message") {
        CHECK_INT(route_error(&res, 400, ""), 400);
        CHECK_VIEW(text_str(&res.body), STR(ERROR("400", "Bad Request", "")));
        CHECK_INT(json_check(text_str(&res.body)), JSON_OBJECT);
    }
    TEST("an error fits the body of the smallest buffer, even if every byte is escaped") {
        char line[] = "GET /" X127 X127 X127;
        for (size_t i = strlen("GET /"); line[i]; i += 3) memcpy(line + i, "%01", 3);
        CHECK_INT(route(line, ""), 404);
        CHECK(!res.body.truncated);
        CHECK_BETWEEN(res.body.len, 6 * 127 + 1, 2048 / 2);
        CHECK_INT(json_check(text_str(&res.body)), JSON_OBJECT);
    }
}

int main(void) {
    test_rows();
    test_errors();
    return test_report();
}
