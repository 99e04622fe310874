package com.amazonaws.services.lambda.runtime.events;

import java.util.List;

/** Stands in for the class of this name in aws-lambda-java-events: no constructor but a full one. */
public class S3Event {
    private final List<Notification> records;

    public S3Event(List<Notification> records) {
        this.records = records;
    }

    public List<Notification> getRecords() {
        return records;
    }

    public static class Notification {
        private final String awsRegion;
        private final Entity s3;
        private String eventSourceArn;

        public Notification(String awsRegion, Entity s3) {
            this.awsRegion = awsRegion;
            this.s3 = s3;
        }

        public String getAwsRegion() {
            return awsRegion;
        }

        public Entity getS3() {
            return s3;
        }

        public String getEventSourceArn() {
            return eventSourceArn;
        }

        public void setEventSourceArn(String eventSourceArn) {
            this.eventSourceArn = eventSourceArn;
        }
    }

    public static class Entity {
        private String key;

        public String getKey() {
            return key;
        }

        public void setKey(String key) {
            this.key = key;
        }
    }
}
