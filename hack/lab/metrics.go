package lab

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Metrics are the series that Prometheus gets from braid-node over HTTP, by
// their names with all labels.
func (l *Lab) Metrics(ctx context.Context) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:9810/metrics", l.NodeIP()), nil)
	if err != nil {
		return nil, err
	}
	client := l.httpClient()
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("/metrics: %s", res.Status)
	}
	return series(res.Body)
}

// KubeletMetrics are those of the node's kubelet.
func (l *Lab) KubeletMetrics(ctx context.Context) (map[string]float64, error) {
	c, err := l.Run(ctx, "kubectl", "get", "--raw=/api/v1/nodes/"+NodeName+"/proxy/metrics")
	if err != nil {
		return nil, err
	}
	return series(strings.NewReader(c.Output))
}

// series reads Prometheus's text format.
func series(r io.Reader) (map[string]float64, error) {
	all := map[string]float64{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		value, err := strconv.ParseFloat(line[i+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("/metrics: line %q: %w", line, err)
		}
		all[line[:i]] = value
	}
	return all, lines.Err()
}
