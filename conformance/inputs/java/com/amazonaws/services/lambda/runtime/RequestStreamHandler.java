package com.amazonaws.services.lambda.runtime;

/** Stands in for the interface of this name in aws-lambda-java-core. */
public interface RequestStreamHandler {
    void handleRequest(java.io.InputStream input, java.io.OutputStream output, Context context)
            throws java.io.IOException;
}
