package httpapi

// Routes lists method and path of every route, for tests of the whole table.
func Routes(a *API) [][2]string {
	var pairs [][2]string
	for _, rt := range a.routes() {
		pairs = append(pairs, [2]string{rt.method, rt.path})
	}
	return pairs
}
