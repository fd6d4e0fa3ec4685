/* route.c - the route table, and the error format that all errors share.
 *
 *     static const struct route routes[] = {
 *         {"GET", "/home", home},
 *         {NULL, NULL, NULL},
 *     };
 *     res.status = route_request(routes, &req, &res);
 *
 * Handlers are found by method and path. The rest follows from the table:
 *
 *     HEAD      is handled like GET, with the field Allow; only the head of the response is sent
 *     OPTIONS   200, with the methods of the path in the field Allow
 *     405       the path exists, but not with this method; with the field Allow
 *     404       the path does not exist
 *     403       a page of another origin made a browser send this request, and it is not a GET
 *
 * The body of an error has the format of the Python original:
 *
 *     {"status": "404 Not Found", "status_code": 404, "error": "Path /x not found", "data": null}
 *
 * This file must not do any I/O.
 */
#include "route.h"
#include "json.h"

/* The longest path that is looked up, and the longest path or method in an error message. With
 * every byte escaped as \uXXXX it still fits the smallest body: 6 * 128 + 160 bytes around it <
 * 1024. */
#define MAX_SHOWN 128

/* Writes an error whose message consists of three parts. `what` comes from the request: it is
 * escaped, and left out if it is too long. */
static int error_about(struct http_response *res, int status, const char *before, struct str what,
                       const char *after) {
    struct text *body = &res->body;
    struct str number = NUMBER((size_t)status);
    text_clear(body);
    text_put_all(body, STR("{\"status\": \""), number, STR(" "), http_reason(status),
                 STR("\", \"status_code\": "), number);
    text_put_all(body, STR(", \"error\": \""), str_of(before));
    json_escape(body, what.len <= MAX_SHOWN ? what : STR("..."));
    text_put_all(body, str_of(after), STR("\", \"data\": null}"));
    return status;
}

int route_error(struct http_response *res, int status, const char *message) {
    return error_about(res, status, message, STR(""), "");
}

/* Returns the row for this method and path, or NULL. For HEAD it is that of GET. If there is none,
 * and for HEAD, lists the methods that the path has, each with a comma behind it. */
static const struct route *find_route(const struct route routes[], struct str method,
                                      struct str path, struct text *allowed) {
    const struct route *found = NULL;
    bool is_head = str_equal(method, STR("HEAD"));
    for (const struct route *row = routes; row->method; row++) {
        struct str name = str_of(row->method);
        if (!str_equal(str_of(row->path), path)) continue;
        if (str_equal(name, method)) return row;
        bool is_get = str_equal(name, STR("GET"));
        if (is_get && is_head) found = row;
        text_put_all(allowed, name, is_get ? STR(", HEAD, ") : STR(", "));
    }
    return found;
}

/* Responds to a request whose method and path have no row. `allowed` lists the methods of the
 * path. */
static int respond_without_route(const struct http_request *req, struct http_response *res,
                                 struct str path, struct str allowed) {
    if (allowed.len == 0 && !str_equal(path, STR("*")))
        return error_about(res, 404, "Path ", path, " not found");
    http_add_field(res, STR("Allow"), allowed, STR("OPTIONS"));
    if (!str_equal(req->method, STR("OPTIONS")))
        return error_about(res, 405, "", req->method, " not allowed");
    text_put(&res->body, STR("{}"));
    return 200;
}

int route_request(const struct route routes[], const struct http_request *req,
                  struct http_response *res) {
    char allowed_storage[HTTP_EXTRA_FIELDS_SIZE], path_storage[MAX_SHOWN];
    struct text allowed = TEXT(allowed_storage), decoded = TEXT(path_storage);
    http_decode_path(&decoded, req->path);
    struct str path = decoded.truncated ? STR("...") : text_str(&decoded);
    if (path.len > 1 && path.s[path.len - 1] == '/') path.len--; /* as in the Python original */
    const struct route *route = find_route(routes, req->method, path, &allowed);
    if (!route) return respond_without_route(req, res, path, text_str(&allowed));
    bool is_get = strcmp(route->method, "GET") == 0;
    if (is_get && res->omit_body)
        http_add_field(res, STR("Allow"), text_str(&allowed), STR("OPTIONS"));
    if (!is_get && http_is_cross_origin(req))
        return route_error(res, 403, "This request comes from a page of another origin");
    return route->handle(req, res);
}
