package httpapi

// Routes lists method and path of every route, for tests of the whole table.
// The rows that stand for all other methods of a path are not among them.
func Routes(a *API) [][2]string {
	var pairs [][2]string
	for _, rt := range a.routes() {
		if rt.method != other {
			pairs = append(pairs, [2]string{rt.method, rt.path})
		}
	}
	return pairs
}
