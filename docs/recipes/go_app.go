// A producer and a receiver in Go 1.22, with the standard library alone. Verify is in ../receivers/verify.go.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"sync"
)

var (
	lock sync.Mutex
	// In a real service: a table with a unique key, kept for a day.
	seen     = map[string]bool{}
	received = []json.RawMessage{}
)

func pay(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.Atoi(r.PathValue("number"))
	if err != nil {
		http.Error(w, "no number", http.StatusBadRequest)
		return
	}
	// The same id each time: sending again after a lost answer makes no second event.
	event, _ := json.Marshal(map[string]any{
		"type": "invoice.paid", "id": fmt.Sprintf("invoice-%d-paid", number), "data": map[string]any{"id": number}})
	request, _ := http.NewRequest("POST", os.Getenv("HOOKGATE_URL")+"/v1/events", bytes.NewReader(event))
	request.Header.Set("Authorization", "Bearer "+os.Getenv("HOOKGATE_API_KEY"))
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusAccepted {
		answer.StatusCode = http.StatusOK
	}
	w.WriteHeader(answer.StatusCode)
	io.Copy(w, answer.Body)
}

func hooks(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil || Verify(os.Getenv("WEBHOOK_SECRET"), r.Header, body) != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var event struct{ Data json.RawMessage }
	if err := json.Unmarshal(body, &event); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	lock.Lock()
	defer lock.Unlock()
	if id := r.Header.Get("webhook-id"); !seen[id] {
		seen[id] = true
		received = append(received, event.Data)
	}
}

func show(w http.ResponseWriter, _ *http.Request) {
	lock.Lock()
	defer lock.Unlock()
	json.NewEncoder(w).Encode(received)
}

func main() {
	http.HandleFunc("POST /invoices/{number}/pay", pay)
	http.HandleFunc("POST /hooks", hooks)
	http.HandleFunc("GET /received", show)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
