module bench/cel

go 1.24

require (
	github.com/elastic/mito v1.15.0
	github.com/google/cel-go v0.19.0
	google.golang.org/protobuf v1.33.0
)

require (
	aqwari.net/xml v0.0.0-20210331023308-d9421b293817 // indirect
	github.com/antlr4-go/antlr/v4 v4.13.0 // indirect
	github.com/golang/protobuf v1.5.2 // indirect
	github.com/google/uuid v1.3.0 // indirect
	github.com/stoewer/go-strcase v1.2.0 // indirect
	golang.org/x/exp v0.0.0-20230515195305-f3d0a9c9a5cc // indirect
	golang.org/x/net v0.24.0 // indirect
	golang.org/x/text v0.14.0 // indirect
	golang.org/x/time v0.0.0-20220224211638-0e9765cccd65 // indirect
	google.golang.org/genproto v0.0.0-20221207170731-23e4bf6bdc37 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)
