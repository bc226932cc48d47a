package text

import (
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

func cleanAll(texts []string) []string {
	cleaned := make([]string, len(texts))
	for i, text := range texts {
		cleaned[i] = report.Clean(text)
	}
	return cleaned
}

// cleanPorts cleans what may come from a saved snapshot.
func cleanPorts(ports *snapshot.PortCoverage) *snapshot.PortCoverage {
	if ports == nil {
		return nil
	}
	cleaned := *ports
	cleaned.Datapath = report.Clean(ports.Datapath)
	cleaned.Ways = make(map[socket.Protocol]socket.Source, len(ports.Ways))
	for protocol, source := range ports.Ways {
		cleaned.Ways[socket.Protocol(report.Clean(string(protocol)))] = socket.Source(report.Clean(string(source)))
	}
	cleaned.Absent = nil
	for _, protocol := range ports.Absent {
		cleaned.Absent = append(cleaned.Absent, socket.Protocol(report.Clean(string(protocol))))
	}
	cleaned.NoSockets = make(map[socket.Protocol]snapshot.Gap, len(ports.NoSockets))
	for protocol, gap := range ports.NoSockets {
		cleaned.NoSockets[socket.Protocol(report.Clean(string(protocol)))] = cleanGap(gap)
	}
	cleaned.NoForwards = nil
	for _, gap := range ports.NoForwards {
		cleaned.NoForwards = append(cleaned.NoForwards, cleanGap(gap))
	}
	return &cleaned
}

func cleanGap(gap snapshot.Gap) snapshot.Gap {
	return snapshot.Gap{Cause: snapshot.Cause(report.Clean(string(gap.Cause))), Detail: report.Clean(gap.Detail)}
}

func cleanDeclaration(declared inventory.Declaration) inventory.Declaration {
	declared.By = inventory.Declarer(report.Clean(string(declared.By)))
	declared.Detail = report.Clean(declared.Detail)
	joined := make(map[nsinspect.Kind]string, len(declared.Joined))
	for kind, path := range declared.Joined {
		joined[kind] = report.Clean(path)
	}
	declared.Joined = joined
	declared.PortsDetail = report.Clean(declared.PortsDetail)
	return declared
}
